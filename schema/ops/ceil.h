// ceil: smallest integral value not below x.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Ceil : UnaryOp<Ceil> {
  static constexpr OpInfo info{.id = 32, .name = "ceil", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::ceil(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = 0
};

}  // namespace gf::op
