// equal: x == y with NumPy broadcasting, element type bool; false where an operand is NaN.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Equal : CompareOp<Equal> {
  static constexpr OpInfo info{
      .id = 75, .name = "equal", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  template <class T>
  static bool apply(T x, T y, const Attrs&) {
    return x == y;
  }
  static constexpr NoGradient grad{"the output is boolean"};
};

}  // namespace gf::op
