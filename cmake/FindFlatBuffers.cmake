# FlatBuffers (Debian: libflatbuffers-dev), headers only: target flatbuffers::flatbuffers. In place of the package's own
# configuration because that one adds all of /usr/include, which cross builds must not see.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h)
find_package_handle_standard_args(FlatBuffers REQUIRED_VARS FLATBUFFERS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(FlatBuffers_FOUND)
  gf_header_target(flatbuffers::flatbuffers ${FLATBUFFERS_INCLUDE_DIR} flatbuffers)
endif()
