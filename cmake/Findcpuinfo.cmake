# cpuinfo (Debian: libcpuinfo-dev), processor detection: target cpuinfo::cpuinfo.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
find_path(CPUINFO_INCLUDE_DIR cpuinfo.h)
find_library(CPUINFO_LIBRARY NAMES cpuinfo)
mark_as_advanced(CPUINFO_INCLUDE_DIR CPUINFO_LIBRARY)
find_package_handle_standard_args(cpuinfo REQUIRED_VARS CPUINFO_LIBRARY CPUINFO_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(cpuinfo_FOUND)
  gf_library_target(cpuinfo::cpuinfo ${CPUINFO_LIBRARY} ${CPUINFO_INCLUDE_DIR})
endif()
