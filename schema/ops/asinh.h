// asinh: inverse hyperbolic sine.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Asinh : UnaryOp<Asinh> {
  static constexpr OpInfo info{.id = 29, .name = "asinh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::asinh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / sqrt(x * x + 1)
};

}  // namespace gf::op
