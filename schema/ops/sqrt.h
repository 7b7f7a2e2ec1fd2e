// sqrt: y = x^(1/2); NaN below zero.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Sqrt : UnaryOp<Sqrt> {
  static constexpr OpInfo info{.id = 17, .name = "sqrt", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::sqrt(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / (2 * y)
};

}  // namespace gf::op
