// sinh: hyperbolic sine.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Sinh : UnaryOp<Sinh> {
  static constexpr OpInfo info{.id = 26, .name = "sinh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::sinh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * cosh(x)
};

}  // namespace gf::op
