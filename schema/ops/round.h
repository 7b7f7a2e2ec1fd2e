// round: nearest integral value, halves to even (the default floating-point environment).
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Round : UnaryOp<Round> {
  static constexpr OpInfo info{.id = 34, .name = "round", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::nearbyint(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = 0
};

}  // namespace gf::op
