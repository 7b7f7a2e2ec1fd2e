// mul: z = x * y with NumPy broadcasting; integers wrap.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Mul : BinaryOp<Mul> {
  static constexpr OpInfo info{
      .id = 61, .name = "mul", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DimOp kDimOp = DimOp::Mul;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return wrapping::mul(x, y);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz * y, dy = dz * x, each summed over its broadcast axes
};

}  // namespace gf::op
