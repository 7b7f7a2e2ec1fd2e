// swish: y = x * sigmoid(alpha * x) (Ramachandran et al. 2017); alpha = 1 is SiLU.
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"
#include "schema/formula.h"

namespace gf::op {

struct Swish : UnaryOp<Swish> {
  static constexpr OpInfo info{.id = 46, .name = "swish", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 1.0f;  ///< steepness of the gate
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return x * math::sigmoid(static_cast<T>(a.alpha) * x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (s + alpha * y * (1 - s)), s = sigmoid(alpha * x)

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0);
    return e.finish(x * e.sigmoid(a.alpha == 1 ? x : x * static_cast<double>(a.alpha)));
  }
};

}  // namespace gf::op
