// tanh: hyperbolic tangent.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Tanh : UnaryOp<Tanh> {
  static constexpr OpInfo info{.id = 28, .name = "tanh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::tanh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (1 - y * y)
};

}  // namespace gf::op
