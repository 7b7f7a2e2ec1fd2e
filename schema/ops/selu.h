// selu: y = gamma * (x for x > 0, alpha * (e^x - 1) otherwise) (Klambauer et al. 2017).
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Selu : UnaryOp<Selu> {
  static constexpr OpInfo info{.id = 39, .name = "selu", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 1.67326319217681884765625f;  ///< size of the negative side before scaling
    float gamma = 1.05070102214813232421875f;  ///< overall scale
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha"), field<&Attrs::gamma>(2, "gamma")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    const T y = x > T(0) ? x : static_cast<T>(a.alpha) * std::expm1(x);
    return static_cast<T>(a.gamma) * y;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x > 0 ? gamma : y + gamma * alpha)
};

}  // namespace gf::op
