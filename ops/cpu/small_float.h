// The 8- and 4-bit floats: conversion to and from f32, round to nearest even, with ONNX's overflow rules. Formats:
// E4M3FN, E5M2 (Micikevicius et al. 2022), their FNUZ variants (Noune et al. 2022: no -0, bias one higher, one NaN),
// F4E2M1 and E8M0 (OCP MX 1.0).
#pragma once

#include "runtime/core/bit_cast.h"
#include <cstdint>

#include "runtime/core/dtype.h"

namespace gf::cpu {

/// Layout of a small float: sign, `exponent_bits`, `mantissa_bits`.
struct SmallFloat {
  int exponent_bits = 0;
  int mantissa_bits = 0;
  int bias = 0;
  bool has_infinity = false;   ///< top exponent is infinity/NaN as in IEEE 754
  bool unsigned_zero = false;  ///< FNUZ: the pattern of -0 is the only NaN
  bool has_nan = true;         ///< all ones is NaN (FN)
  unsigned max_pattern = 0;    ///< largest finite magnitude
};

inline constexpr SmallFloat kSmallFloats[] = {
    {4, 3, 7, false, false, true, 0x7e},    // F8E4M3FN
    {4, 3, 8, false, true, true, 0x7f},     // F8E4M3FNUZ
    {5, 2, 15, true, false, true, 0x7b},    // F8E5M2
    {5, 2, 16, false, true, true, 0x7f},    // F8E5M2FNUZ
    {2, 1, 1, false, false, false, 0x7}};   // F4E2M1

/// Of one of these five types, whose values are consecutive.
constexpr const SmallFloat& small_float_format(DType t) {
  static_assert(static_cast<int>(DType::F4E2M1) - static_cast<int>(DType::F8E4M3FN) == 4);
  return kSmallFloats[static_cast<unsigned>(t) - static_cast<unsigned>(DType::F8E4M3FN)];
}

/// Nearest float toward zero with the last bit set when something was cut off ("round to odd"), so that one more
/// rounding to a format at least two bits narrower gives the correctly rounded result.
inline float round_to_odd(double v) {
  const float f = static_cast<float>(v);
  const double back = f;
  if (back == v || v != v) return f;
  const auto bits = bit_cast<uint32_t>(f);
  const bool away = (v > 0 ? back > v : back < v);  // includes overflow to infinity
  return bit_cast<float>((away ? bits - 1 : bits) | 1U);
}

inline float small_float_to_f32(DType type, unsigned raw) {
  constexpr float kNaN = bit_cast<float>(0x7fc00000U);
  if (type == DType::F8E8M0) {
    if (raw == 0xff) return kNaN;
    return raw == 0 ? 0x1p-127f : bit_cast<float>(raw << 23);
  }
  const SmallFloat& s = small_float_format(type);
  const unsigned sign_bit = 1U << (s.exponent_bits + s.mantissa_bits);
  const unsigned magnitude = raw & (sign_bit - 1);
  const bool negative = (raw & sign_bit) != 0;
  if (s.unsigned_zero && raw == sign_bit) return kNaN;
  if (!s.unsigned_zero && s.has_nan && magnitude > s.max_pattern) {
    if (s.has_infinity && magnitude == s.max_pattern + 1) {
      return bit_cast<float>(negative ? 0xff800000U : 0x7f800000U);
    }
    return kNaN;
  }
  const unsigned mantissa = magnitude & ((1U << s.mantissa_bits) - 1);
  const int exponent = static_cast<int>(magnitude >> s.mantissa_bits);
  float value = 0;
  if (exponent == 0) {
    value = static_cast<float>(mantissa) *
            bit_cast<float>(static_cast<uint32_t>(127 + 1 - s.bias - s.mantissa_bits) << 23);
  } else {
    value = bit_cast<float>((static_cast<uint32_t>(exponent - s.bias + 127) << 23) |
                                 (mantissa << (23 - s.mantissa_bits)));
  }
  return negative ? -value : value;
}

/// `saturate` (ONNX Cast): finite and infinite values beyond the range become the largest finite value; without it they
/// become infinity, or NaN in formats without one. F4E2M1 always saturates, and NaN becomes -0 there (as ONNX's reference has it).
inline unsigned f32_to_small_float(DType type, float f, bool saturate) {
  const auto u = bit_cast<uint32_t>(f);
  if (type == DType::F8E8M0) {  // power of two; ONNX default rounding "up", sign ignored
    const uint32_t magnitude = u & 0x7fffffffU;
    if (magnitude > 0x7f800000U) return 0xff;
    const uint32_t exponent = magnitude >> 23;
    const uint32_t up = (magnitude & 0x7fffffU) != 0 ? 1U : 0U;
    const uint32_t e = exponent + up;
    if (e >= 255) return saturate ? 0xfe : 0xff;
    return e;
  }
  const SmallFloat& s = small_float_format(type);
  const unsigned sign_bit = 1U << (s.exponent_bits + s.mantissa_bits);
  const unsigned sign = (u >> 31) != 0 ? sign_bit : 0;
  const uint32_t magnitude = u & 0x7fffffffU;
  const unsigned nan = s.unsigned_zero ? sign_bit : sign | (sign_bit - 1);
  if (magnitude > 0x7f800000U) return s.has_nan ? nan : sign_bit;
  unsigned pattern = 0;
  const int exponent = static_cast<int>(magnitude >> 23) - 127 + s.bias;  // biased, as if normal
  const int cut = 23 - s.mantissa_bits;
  if (exponent >= 1) {
    const uint32_t rounded = magnitude + (1U << (cut - 1)) - 1U + ((magnitude >> cut) & 1U);
    const int64_t p = (static_cast<int64_t>(rounded) >> cut) -
                      (static_cast<int64_t>(127 - s.bias) << s.mantissa_bits);
    pattern = p > 0xffff ? 0xffffU : static_cast<unsigned>(p);
  } else {
    const int shift = cut + 1 - exponent;  // value = mantissa24 >> shift
    if (shift <= 25 && magnitude >= 0x00800000U) {
      const uint32_t m = (magnitude & 0x7fffffU) | 0x800000U;
      const uint32_t half = 1U << (shift - 1);
      pattern = (m + half - 1U + ((m >> shift) & 1U)) >> shift;
    }
  }
  if (pattern > s.max_pattern) {
    if (saturate || !s.has_nan) return sign | s.max_pattern;
    if (s.has_infinity) return sign | (s.max_pattern + 1);
    return nan;
  }
  if (pattern == 0 && s.unsigned_zero) return 0;
  return sign | pattern;
}

}  // namespace gf::cpu
