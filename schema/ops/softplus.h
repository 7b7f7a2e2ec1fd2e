// softplus: y = ln(1 + e^x), without overflow for large x.
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct Softplus : UnaryOp<Softplus> {
  static constexpr OpInfo info{.id = 40, .name = "softplus", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return math::softplus(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * sigmoid(x)
};

}  // namespace gf::op
