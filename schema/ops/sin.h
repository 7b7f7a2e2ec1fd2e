// sin: y = sin(x), x in radians.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Sin : UnaryOp<Sin> {
  static constexpr OpInfo info{.id = 20, .name = "sin", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::sin(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * cos(x)
};

}  // namespace gf::op
