// What the kernels of bytes share: conv_integer, matmul_integer, their quantised forms, dynamic_quantize_linear. Plain functions on caller memory: no heap, any thread.
#pragma once

#include <cmath>
#include <limits>

#include "ops/cpu/op_util.h"

namespace gf::cpu {

/// Element k of an int8 or uint8 tensor.
inline int32_t byte_at(const TensorView& t, int64_t k) {
  return t.dtype == DType::I8 ? static_cast<int32_t>(t.as<const int8_t>()[k]) : static_cast<int32_t>(t.as<const uint8_t>()[k]);
}

inline const TensorView* input_or_null(const RunContext& c, int i) { return c.has_input(i) ? &c.input(i) : nullptr; }

/// Scale and zero point of dynamic_quantize_linear for data from low to high (0 lies between them), written where the node wants them.
inline Error dynamic_scale(const RunContext& c, float low, float high, float& scale, float& zero) {
  scale = high == low ? 1.0f : (high - low) / 255.0f;  // all zeros: any scale will do
  const float start = -low / scale;
  zero = std::nearbyint(start < 0 ? 0.0f : (start > 255 ? 255.0f : start));
  if (!(scale > 0) || !(scale < std::numeric_limits<float>::infinity()))
    return GF_FAIL(c.detail, Error::BadData, c.node, "the data has no finite range");
  if (c.has_output(1)) *c.output(1).as<float>() = scale;
  if (c.has_output(2)) *c.output(2).as<uint8_t>() = static_cast<uint8_t>(zero);
  return Error::Ok;
}

}  // namespace gf::cpu
