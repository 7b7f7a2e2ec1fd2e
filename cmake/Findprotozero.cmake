# protozero (Debian: libprotozero-dev), header-only protobuf reader and writer: target protozero::protozero.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp)
find_package_handle_standard_args(protozero REQUIRED_VARS PROTOZERO_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(protozero_FOUND)
  gf_header_target(protozero::protozero ${PROTOZERO_INCLUDE_DIR} protozero)
endif()
