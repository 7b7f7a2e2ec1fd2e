// floor: largest integral value not above x.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Floor : UnaryOp<Floor> {
  static constexpr OpInfo info{.id = 33, .name = "floor", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::floor(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = 0
};

}  // namespace gf::op
