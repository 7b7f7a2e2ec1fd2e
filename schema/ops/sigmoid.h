// sigmoid: y = 1 / (1 + e^-x).
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct Sigmoid : UnaryOp<Sigmoid> {
  static constexpr OpInfo info{.id = 42, .name = "sigmoid", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return math::sigmoid(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * y * (1 - y)
};

}  // namespace gf::op
