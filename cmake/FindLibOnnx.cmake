# libonnx (Debian: libonnx-dev, libprotobuf-dev), the ONNX checker, a second opinion in tests only: target LibOnnx::LibOnnx.
# Its headers need the two definitions that the package was built with.
include(${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake)
include(FindPackageHandleStandardArgs)
find_path(LIBONNX_INCLUDE_DIR onnx/checker.h)
find_library(LIBONNX_LIBRARY NAMES onnx)
find_library(LIBONNX_PROTO_LIBRARY NAMES onnx_proto)
find_library(LIBONNX_PROTOBUF_LIBRARY NAMES protobuf)
mark_as_advanced(LIBONNX_INCLUDE_DIR LIBONNX_LIBRARY LIBONNX_PROTO_LIBRARY LIBONNX_PROTOBUF_LIBRARY)
find_package_handle_standard_args(LibOnnx
  REQUIRED_VARS LIBONNX_LIBRARY LIBONNX_PROTO_LIBRARY LIBONNX_PROTOBUF_LIBRARY LIBONNX_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with toolchains/setup-debian.sh tests")
if(LibOnnx_FOUND)
  gf_library_target(LibOnnx::LibOnnx ${LIBONNX_LIBRARY} ${LIBONNX_INCLUDE_DIR})
  set_target_properties(LibOnnx::LibOnnx PROPERTIES
    INTERFACE_COMPILE_DEFINITIONS "ONNX_ML=1;ONNX_NAMESPACE=onnx"
    INTERFACE_LINK_LIBRARIES "${LIBONNX_PROTO_LIBRARY};${LIBONNX_PROTOBUF_LIBRARY}")
endif()
