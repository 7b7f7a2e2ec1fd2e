// abs: y = |x|; the smallest integer wraps to itself.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Abs : UnaryOp<Abs> {
  static constexpr OpInfo info{.id = 14, .name = "abs", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kNumbers;
  template <class T>
  static T apply(T x, const Attrs&) {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
    else return x < T(0) ? wrapping::sub(T(0), x) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * sign(x)
};

}  // namespace gf::op
