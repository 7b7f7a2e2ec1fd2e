// atan: inverse tangent in (-pi/2, pi/2).
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Atan : UnaryOp<Atan> {
  static constexpr OpInfo info{.id = 25, .name = "atan", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::atan(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / (1 + x * x)
};

}  // namespace gf::op
