#include "runtime/core/dtype.h"

namespace gf {

const char* dtype_name(DType type) {
  static constexpr const char* kNames[kDTypeCount] = {
      "invalid", "float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32",
      "int64", "uint64", "bool", "string", "int4", "uint4", "int2", "uint2", "float8_e4m3fn", "float8_e4m3fnuz",
      "float8_e5m2", "float8_e5m2fnuz", "float4_e2m1", "float8_e8m0", "complex64", "complex128"};
  const auto index = static_cast<unsigned>(type);
  return index < kDTypeCount ? kNames[index] : "invalid";
}

}  // namespace gf
