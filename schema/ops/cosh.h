// cosh: hyperbolic cosine.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Cosh : UnaryOp<Cosh> {
  static constexpr OpInfo info{.id = 27, .name = "cosh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::cosh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * sinh(x)
};

}  // namespace gf::op
