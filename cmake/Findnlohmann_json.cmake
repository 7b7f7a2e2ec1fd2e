# JSON for C++ (Debian: nlohmann-json3-dev), header-only: target nlohmann_json::nlohmann_json.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
gf_find_headers(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp)
find_package_handle_standard_args(nlohmann_json REQUIRED_VARS NLOHMANN_JSON_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh")
if(nlohmann_json_FOUND)
  gf_header_target(nlohmann_json::nlohmann_json ${NLOHMANN_JSON_INCLUDE_DIR} nlohmann)
endif()
