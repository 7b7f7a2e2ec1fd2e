// Conversions between f32 and the 16-bit floats, round to nearest even (IEEE 754-2008; bfloat16 as truncated f32).
#pragma once

#include "runtime/core/bit_cast.h"
#include <cstdint>

namespace gf {

/// Storage of an IEEE binary16 value.
struct F16 { uint16_t bits; };
/// Storage of a bfloat16 value.
struct BF16 { uint16_t bits; };

constexpr float to_f32(BF16 v) { return bit_cast<float>(static_cast<uint32_t>(v.bits) << 16); }
constexpr BF16 to_bf16(float f) {
  const auto u = bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffU) > 0x7f800000U) return {static_cast<uint16_t>((u >> 16) | 0x40U)};  // keep NaN a (quiet) NaN
  return {static_cast<uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16)};
}
constexpr float to_f32(F16 v) {
  const uint32_t sign = static_cast<uint32_t>(v.bits & 0x8000U) << 16;
  const uint32_t exponent = (v.bits >> 10) & 0x1fU;
  const uint32_t mantissa = v.bits & 0x3ffU;
  if (exponent == 0x1f) return bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  // subnormal: mantissa * 2^-24 is exact in f32
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return bit_cast<float>(sign | bit_cast<uint32_t>(magnitude));
}
constexpr F16 to_f16(float f) {
  const auto u = bit_cast<uint32_t>(f);
  const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000U);
  const uint32_t magnitude = u & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return {static_cast<uint16_t>(sign | 0x7e00U | ((magnitude >> 13) & 0x3ffU))};
  if (magnitude >= 0x477ff000U) return {static_cast<uint16_t>(sign | 0x7c00U)};  // rounds to infinity
  if (magnitude >= 0x38800000U) {                                               // normal
    const uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
    return {static_cast<uint16_t>(sign | ((rounded - 0x38000000U) >> 13))};
  }
  // subnormal: adding 0.5 aligns the mantissa so that the float unit rounds to nearest even at 2^-24
  const float aligned = bit_cast<float>(magnitude) + 0.5f;
  return {static_cast<uint16_t>(sign | (bit_cast<uint32_t>(aligned) - 0x3f000000U))};
}

}  // namespace gf
