// cos: y = cos(x), x in radians.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Cos : UnaryOp<Cos> {
  static constexpr OpInfo info{.id = 21, .name = "cos", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::cos(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = -dy * sin(x)
};

}  // namespace gf::op
