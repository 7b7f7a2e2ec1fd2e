// hard_sigmoid: y = max(0, min(1, alpha * x + beta)).
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct HardSigmoid : UnaryOp<HardSigmoid> {
  static constexpr OpInfo info{.id = 43, .name = "hard_sigmoid", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 0.2f;  ///< slope
    float beta = 0.5f;  ///< value at x = 0
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha"), field<&Attrs::beta>(2, "beta")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return math::clamp(static_cast<T>(a.alpha) * x + static_cast<T>(a.beta), T(0), T(1));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * alpha where 0 < y < 1
};

}  // namespace gf::op
