// sign: y = -1, 0 or 1; NaN stays NaN, -0 gives 0.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Sign : UnaryOp<Sign> {
  static constexpr OpInfo info{.id = 16, .name = "sign", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kNumbers;
  template <class T>
  static T apply(T x, const Attrs&) {
    if (x > T(0)) return T(1);
    if (x < T(0)) return T(-1);
    return x == T(0) ? T(0) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = 0
};

}  // namespace gf::op
