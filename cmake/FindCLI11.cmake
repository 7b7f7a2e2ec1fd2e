# CLI11 (Debian: libcli11-dev), header-only command lines: target CLI11::CLI11.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(CLI11_INCLUDE_DIR CLI/CLI.hpp)
find_package_handle_standard_args(CLI11 REQUIRED_VARS CLI11_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(CLI11_FOUND)
  gf_header_target(CLI11::CLI11 ${CLI11_INCLUDE_DIR} CLI)
endif()
