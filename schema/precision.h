// What the products of matmul, conv, conv_transpose and conv_weight_grad are computed from: an attribute of each, which a pass of
// train steps sets (graph/passes/product_precision.cpp).
#pragma once

#include "runtime/core/bit_cast.h"
#include "schema/op.h"

namespace gf {

/// Operands of a product; sums are kept in float32 or wider either way. Values stand in files: never renumber.
enum class Precision : uint8_t {
  Full = 0,  ///< as they are
  BF16 = 1,  ///< float32 rounded to bfloat16 first, as processors with products of bfloat16 do it: see to_bf16_operand()
};
inline constexpr int64_t kLastPrecision = 1;

/// A float32 operand as Precision::BF16 takes it: to nearest even; a denormal counts as zero of its sign; NaN stays NaN. The result has
/// 16 zero bits at its end: that is the bfloat16 number.
inline float to_bf16_operand(float x) {
  const auto bits = bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7fffffffU, sign = bits & 0x80000000U;
  if (magnitude < 0x00800000U) return bit_cast<float>(sign);
  if (magnitude > 0x7f800000U) return bit_cast<float>((bits | 0x00400000U) & 0xffff0000U);
  return bit_cast<float>((bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U);
}

/// Checks the attribute: bfloat16 is for products of float32.
inline Error check_precision(InferContext& c, Precision precision) {
  if (precision != Precision::Full && c.dtype(0) != DType::F32)
    return c.fail(Error::TypeMismatch, "products of operands rounded to bfloat16 are for float32, not %s", dtype_name(c.dtype(0)));
  return Error::Ok;
}

}  // namespace gf
