// thresholded_relu: y = x for x > alpha, else 0.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct ThresholdedRelu : UnaryOp<ThresholdedRelu> {
  static constexpr OpInfo info{.id = 48, .name = "thresholded_relu", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 1.0f;  ///< threshold
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return x > static_cast<T>(a.alpha) ? x : T(0);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x > alpha)
};

}  // namespace gf::op
