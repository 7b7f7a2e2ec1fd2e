// atanh: inverse hyperbolic tangent; NaN outside [-1, 1].
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Atanh : UnaryOp<Atanh> {
  static constexpr OpInfo info{.id = 31, .name = "atanh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::atanh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / (1 - x * x)
};

}  // namespace gf::op
