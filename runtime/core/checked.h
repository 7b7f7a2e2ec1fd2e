// Checked size arithmetic: the one place where sizes that come from files or callers are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "runtime/core/dtype.h"

namespace gf {

/// out = a * b; false when it does not fit.
template <class T>
[[nodiscard]] constexpr bool mul_checked(T a, T b, T& out) { return !__builtin_mul_overflow(a, b, &out); }
/// out = a + b; false when it does not fit.
template <class T>
[[nodiscard]] constexpr bool add_checked(T a, T b, T& out) { return !__builtin_add_overflow(a, b, &out); }
/// out = a - b; false when it does not fit.
template <class T>
[[nodiscard]] constexpr bool sub_checked(T a, T b, T& out) { return !__builtin_sub_overflow(a, b, &out); }
/// out = value rounded up to a multiple of `alignment` (a power of two); false when it does not fit.
[[nodiscard]] constexpr bool align_checked(uint64_t value, uint64_t alignment, uint64_t& out) {
  if (!add_checked<uint64_t>(value, alignment - 1, out)) return false;
  out &= ~(alignment - 1);
  return true;
}
constexpr bool is_power_of_two(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }

/// Bytes of `count` dense elements of `type`; false on overflow, a negative count or a type without a size.
[[nodiscard]] constexpr bool bytes_checked(int64_t count, DType type, uint64_t& out) {
  const uint64_t bits = dtype_bits(type);
  if (count < 0 || bits == 0) return false;
  uint64_t total = 0;
  if (!mul_checked(static_cast<uint64_t>(count), bits, total) || !add_checked<uint64_t>(total, 7, total)) return false;
  out = total / 8;
  return true;
}

/// Narrowing conversion that says whether the value survived.
template <class To, class From>
[[nodiscard]] constexpr bool narrow_checked(From value, To& out) {
  out = static_cast<To>(value);
  return static_cast<From>(out) == value && ((out < To{}) == (value < From{}));
}

}  // namespace gf
