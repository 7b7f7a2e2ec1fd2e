// max: the larger of x and y with NumPy broadcasting; NaN if either is NaN.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Max : BinaryOp<Max> {
  static constexpr OpInfo info{
      .id = 66, .name = "max", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DimOp kDimOp = DimOp::Max;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return x > y || x != x ? x : y;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz * (x > y) + dz / 2 * (x == y), dy likewise, each summed over its broadcast axes
};

}  // namespace gf::op
