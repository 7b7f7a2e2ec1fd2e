// elu: y = x for x >= 0, alpha * (e^x - 1) below (Clevert et al. 2015).
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Elu : UnaryOp<Elu> {
  static constexpr OpInfo info{.id = 37, .name = "elu", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 1.0f;  ///< size of the negative side
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return x < T(0) ? static_cast<T>(a.alpha) * std::expm1(x) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x <= 0 ? y + alpha : 1)
};

}  // namespace gf::op
