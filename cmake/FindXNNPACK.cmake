# XNNPACK (Debian: libxnnpack-dev, which has no CMake files of its own): target XNNPACK::XNNPACK, with its thread pool.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
find_package(pthreadpool QUIET)
find_path(XNNPACK_INCLUDE_DIR xnnpack.h)
find_library(XNNPACK_LIBRARY NAMES XNNPACK xnnpack)
mark_as_advanced(XNNPACK_INCLUDE_DIR XNNPACK_LIBRARY)
find_package_handle_standard_args(XNNPACK REQUIRED_VARS XNNPACK_LIBRARY XNNPACK_INCLUDE_DIR pthreadpool_FOUND
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(XNNPACK_FOUND)
  gf_library_target(XNNPACK::XNNPACK ${XNNPACK_LIBRARY} ${XNNPACK_INCLUDE_DIR})
  set_property(TARGET XNNPACK::XNNPACK PROPERTY INTERFACE_LINK_LIBRARIES pthreadpool::pthreadpool)
endif()
