// celu: y = max(0, x) + min(0, alpha * (e^(x / alpha) - 1)) (Barron 2017). alpha must not be 0.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Celu : UnaryOp<Celu> {
  static constexpr OpInfo info{.id = 38, .name = "celu", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 1.0f;  ///< scale of the negative side, not 0
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha")};
  static Error infer(InferContext& c, const auto& a) {
    if (a.alpha == 0.0f) return c.fail(Error::BadAttribute, "alpha is 0; the formula divides by it");
    return UnaryOp<Celu>::infer(c, a);
  }
  template <class T>
  static T apply(T x, const Attrs& a) {
    const T alpha = static_cast<T>(a.alpha);
    return x < T(0) ? alpha * std::expm1(x / alpha) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x <= 0 ? y / alpha + 1 : 1)
};

}  // namespace gf::op
