// exp: y = e^x.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Exp : UnaryOp<Exp> {
  static constexpr OpInfo info{.id = 10, .name = "exp", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::exp(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = y * dy
};

}  // namespace gf::op
