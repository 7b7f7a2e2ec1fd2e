// acos: inverse cosine in [0, pi]; NaN outside [-1, 1].
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Acos : UnaryOp<Acos> {
  static constexpr OpInfo info{.id = 24, .name = "acos", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::acos(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = -dy / sqrt(1 - x * x)
};

}  // namespace gf::op
