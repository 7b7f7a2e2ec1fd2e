# stb (Debian: libstb-dev), single-header image codecs: target stb::stb, included as <stb/stb_image.h>.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(STB_INCLUDE_DIR stb/stb_image.h)
find_package_handle_standard_args(stb REQUIRED_VARS STB_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(stb_FOUND)
  gf_header_target(stb::stb ${STB_INCLUDE_DIR} stb)
endif()
