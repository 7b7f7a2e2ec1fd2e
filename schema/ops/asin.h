// asin: inverse sine in [-pi/2, pi/2]; NaN outside [-1, 1].
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Asin : UnaryOp<Asin> {
  static constexpr OpInfo info{.id = 23, .name = "asin", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::asin(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / sqrt(1 - x * x)
};

}  // namespace gf::op
