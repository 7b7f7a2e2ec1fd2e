// add: z = x + y with NumPy broadcasting; integers wrap.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Add : BinaryOp<Add> {
  static constexpr OpInfo info{
      .id = 11, .name = "add", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DimOp kDimOp = DimOp::Add;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return wrapping::add(x, y);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz, dy = dz, each summed over its broadcast axes
};

}  // namespace gf::op
