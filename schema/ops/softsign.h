// softsign: y = x / (1 + |x|).
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Softsign : UnaryOp<Softsign> {
  static constexpr OpInfo info{.id = 41, .name = "softsign", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return x / (T(1) + std::fabs(x));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / (1 + |x|)^2
};

}  // namespace gf::op
