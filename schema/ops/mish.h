// mish: y = x * tanh(softplus(x)) (Misra 2019).
#pragma once

#include <cmath>

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"
#include "schema/formula.h"

namespace gf::op {

struct Mish : UnaryOp<Mish> {
  static constexpr OpInfo info{.id = 47, .name = "mish", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return x * std::tanh(math::softplus(x));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (t + x * sigmoid(x) * (1 - t * t)), t = tanh(softplus(x))

  static Error expand(Expander& e, const Attrs&) {
    const Var x = e.input(0);
    return e.finish(x * e.tanh(e.softplus(x)));
  }
};

}  // namespace gf::op
