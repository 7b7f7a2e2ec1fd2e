// reciprocal: y = 1 / x.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Reciprocal : UnaryOp<Reciprocal> {
  static constexpr OpInfo info{.id = 18, .name = "reciprocal", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return T(1) / x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = -dy * y * y
};

}  // namespace gf::op
