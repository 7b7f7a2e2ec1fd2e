// tan: y = tan(x), x in radians.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Tan : UnaryOp<Tan> {
  static constexpr OpInfo info{.id = 22, .name = "tan", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::tan(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (1 + y * y)
};

}  // namespace gf::op
