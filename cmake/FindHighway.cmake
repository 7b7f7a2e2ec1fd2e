# Highway (Debian: libhwy-dev), headers only: target hwy::hwy. Debian's shared libhwy holds only the run-time detection
# that this project does itself, so nothing is linked.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(HIGHWAY_INCLUDE_DIR hwy/highway.h)
find_package_handle_standard_args(Highway REQUIRED_VARS HIGHWAY_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(Highway_FOUND)
  gf_header_target(hwy::hwy ${HIGHWAY_INCLUDE_DIR} hwy)
endif()
