# fmt (Debian: libfmt-dev), used without its library: target fmt::fmt-header-only.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(FMT_INCLUDE_DIR fmt/format.h)
find_package_handle_standard_args(fmt REQUIRED_VARS FMT_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(fmt_FOUND)
  gf_header_target(fmt::fmt-header-only ${FMT_INCLUDE_DIR} fmt)
  set_target_properties(fmt::fmt-header-only PROPERTIES INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY=1)
endif()
