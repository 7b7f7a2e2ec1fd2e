# pthreadpool (Debian: libpthreadpool-dev), the thread pool that XNNPACK uses: target pthreadpool::pthreadpool.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
find_path(PTHREADPOOL_INCLUDE_DIR pthreadpool.h)
find_library(PTHREADPOOL_LIBRARY NAMES pthreadpool)
mark_as_advanced(PTHREADPOOL_INCLUDE_DIR PTHREADPOOL_LIBRARY)
find_package_handle_standard_args(pthreadpool REQUIRED_VARS PTHREADPOOL_LIBRARY PTHREADPOOL_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(pthreadpool_FOUND)
  gf_library_target(pthreadpool::pthreadpool ${PTHREADPOOL_LIBRARY} ${PTHREADPOOL_INCLUDE_DIR})
endif()
