// bfloat16 as Precision::BF16 takes operands, from the definition in float64: eight bits of mantissa, half to even, denormals are zero.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

namespace gf::simd::test {

inline float nearest_bf16(float x) {
  if (std::isnan(x) || std::isinf(x) || x == 0) return x;
  if (std::fabs(x) < std::numeric_limits<float>::min()) return std::copysign(0.0F, x);
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(x), &exponent);           // 0.5 <= |mantissa| < 1
  return static_cast<float>(std::ldexp(std::nearbyint(mantissa * 256), exponent - 8));  // 2^128 and more become infinite
}

inline std::vector<float> nearest_bf16(std::vector<float> values) {
  for (float& v : values) v = nearest_bf16(v);
  return values;
}

}  // namespace gf::simd::test
