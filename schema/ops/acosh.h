// acosh: inverse hyperbolic cosine; NaN below 1.
#pragma once

#include <cmath>
#include <limits>

#include "schema/elementwise.h"

namespace gf::op {

struct Acosh : UnaryOp<Acosh> {
  static constexpr OpInfo info{.id = 30, .name = "acosh", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    // musl's acoshf, WebAssembly's, gives numbers below -1
    return x < T(1) ? std::numeric_limits<T>::quiet_NaN() : std::acosh(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / sqrt(x * x - 1)
};

}  // namespace gf::op
