// sub: z = x - y with NumPy broadcasting; integers wrap.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Sub : BinaryOp<Sub> {
  static constexpr OpInfo info{.id = 60, .name = "sub", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static constexpr DimOp kDimOp = DimOp::Sub;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return wrapping::sub(x, y);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz, dy = -dz, each summed over its broadcast axes
};

}  // namespace gf::op
