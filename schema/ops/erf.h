// erf: error function.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Erf : UnaryOp<Erf> {
  static constexpr OpInfo info{.id = 35, .name = "erf", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::erf(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * 2 / sqrt(pi) * exp(-x * x)
};

}  // namespace gf::op
