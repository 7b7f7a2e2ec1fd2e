// min: the smaller of x and y with NumPy broadcasting; NaN if either is NaN.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Min : BinaryOp<Min> {
  static constexpr OpInfo info{
      .id = 65, .name = "min", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DimOp kDimOp = DimOp::Min;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return x < y || x != x ? x : y;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz * (x < y) + dz / 2 * (x == y), dy likewise, each summed over its broadcast axes
};

}  // namespace gf::op
