// is_nan: true where x is not a number.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct IsNan : PredicateOp<IsNan> {
  static constexpr OpInfo info{.id = 53, .name = "is_nan", .flags = kOpElementwise};
  template <class T>
  static bool apply(T x, const Attrs&) {
    return x != x;
  }
  static constexpr NoGradient grad{"the output is boolean"};
};

}  // namespace gf::op
