// Shape: up to kMaxRank dimensions by value. A scalar has rank 0 and one element.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/core/checked.h"

namespace gf {

inline constexpr int kMaxRank = 8;

struct Shape {
  int32_t rank = 0;
  int64_t dims[kMaxRank] = {};

  constexpr Shape() = default;
  template <class... D>
    requires(sizeof...(D) > 0 && sizeof...(D) <= kMaxRank)
  constexpr explicit Shape(D... d) : rank(static_cast<int32_t>(sizeof...(D))), dims{static_cast<int64_t>(d)...} {}

  constexpr int64_t operator[](int i) const { return dims[i]; }
  constexpr int64_t& operator[](int i) { return dims[i]; }
  constexpr std::span<const int64_t> span() const { return {dims, static_cast<size_t>(rank)}; }

  constexpr bool operator==(const Shape& o) const {
    if (rank != o.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (dims[i] != o.dims[i]) return false;
    return true;
  }
  /// Product of all dims. Requires dims checked before (see count_checked) for untrusted shapes.
  constexpr int64_t count() const { return count(0, rank); }
  /// Product of dims in [from, to).
  constexpr int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int i = from; i < to; ++i) n *= dims[i];
    return n;
  }
};

/// Number of elements; false when a dim is negative or the product of the non-zero dims overflows (a zero dim must not
/// hide an overflow from later arithmetic on partial products).
[[nodiscard]] constexpr bool count_checked(std::span<const int64_t> dims, int64_t& out) {
  int64_t n = 1;
  bool empty = false;
  for (int64_t d : dims) {
    if (d < 0) return false;
    if (d == 0) empty = true;
    else if (!mul_checked(n, d, n)) return false;
  }
  out = empty ? 0 : n;
  return true;
}

}  // namespace gf
