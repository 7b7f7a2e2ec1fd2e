// Dim: a dimension (or a small integer inside a shape computation) as shape inference sees it: a constant, or an
// unknown with an interval and an expression identity. Plain values; the symbolic algebra behind `expr` belongs to
// whoever runs inference (the converter has one; the runtime works on constants and has none).
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "runtime/core/checked.h"
#include "runtime/core/shape.h"

namespace gf {

/// Upper end of an interval that nothing is known about.
inline constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

struct Dim {
  int64_t lo = 0;
  int64_t hi = 0;
  uint32_t expr = 0;  ///< 0 for constants and anonymous unknowns; equal non-zero ids mean equal values

  constexpr Dim() = default;
  constexpr Dim(int64_t value) : lo(value), hi(value) {}  // NOLINT: implicit by design, constants are dims
  constexpr Dim(int64_t low, int64_t high, uint32_t id = 0) : lo(low), hi(high), expr(id) {}
  constexpr bool is_const() const { return lo == hi; }
  /// Provably the same value.
  constexpr bool same(const Dim& o) const {
    return (is_const() && o.is_const() && lo == o.lo) || (expr != 0 && expr == o.expr);
  }
};

/// Shape made of Dims.
struct DimShape {
  int32_t rank = 0;
  Dim dims[kMaxRank];

  constexpr DimShape() = default;
  constexpr explicit DimShape(const Shape& s) : rank(s.rank) {
    for (int i = 0; i < s.rank; ++i) dims[i] = Dim(s.dims[i]);
  }
  constexpr Dim& operator[](int i) { return dims[i]; }
  constexpr const Dim& operator[](int i) const { return dims[i]; }
  constexpr void push(const Dim& d) { dims[rank++] = d; }
  constexpr bool is_const() const {
    for (int i = 0; i < rank; ++i)
      if (!dims[i].is_const()) return false;
    return true;
  }
};

enum class DimOp : uint8_t { Add, Sub, Mul, FloorDiv, CeilDiv, Mod, Min, Max };

/// Symbolic algebra: given the operands and the interval already computed, returns the result with an identity, or a
/// tighter interval, or a constant. Called only when the result is not a constant.
class DimAlgebra {
 public:
  virtual Dim combine(DimOp op, Dim a, Dim b, Dim interval) = 0;
  /// An unknown of its own (a data-dependent size).
  virtual Dim fresh(int64_t lo, int64_t hi) = 0;

 protected:
  ~DimAlgebra() = default;
};

/// Interval arithmetic with saturation at +-kUnbounded; exact on constants. `overflow` is set when a constant result
/// does not fit or a divisor is zero. Division rounds toward minus infinity (FloorDiv) or plus infinity (CeilDiv).
Dim dim_interval(DimOp op, const Dim& a, const Dim& b, bool& overflow);

}  // namespace gf
