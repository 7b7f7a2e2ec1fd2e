// hard_swish: y = x * max(0, min(1, x / 6 + 1/2)) (Howard et al. 2019).
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct HardSwish : UnaryOp<HardSwish> {
  static constexpr OpInfo info{.id = 44, .name = "hard_swish", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return x * math::clamp(x / T(6) + T(0.5), T(0), T(1));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x < -3 ? 0 : x > 3 ? 1 : x / 3 + 1/2)
};

}  // namespace gf::op
