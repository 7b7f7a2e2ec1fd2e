# libsodium (Debian: libsodium-dev), Ed25519 signatures: target sodium::sodium.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
find_path(SODIUM_INCLUDE_DIR sodium.h)
find_library(SODIUM_LIBRARY NAMES sodium)
mark_as_advanced(SODIUM_INCLUDE_DIR SODIUM_LIBRARY)
find_package_handle_standard_args(sodium REQUIRED_VARS SODIUM_LIBRARY SODIUM_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh, or build with -DGF_SIGNATURE=OFF")
if(sodium_FOUND)
  gf_library_target(sodium::sodium ${SODIUM_LIBRARY} ${SODIUM_INCLUDE_DIR})
endif()
