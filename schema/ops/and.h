// and: logical and with NumPy broadcasting.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct And : CompareOp<And> {
  static constexpr OpInfo info{
      .id = 72, .name = "and", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DTypeSet kTypes = kBoolOnly;
  template <class T>
  static bool apply(T x, T y, const Attrs&) {
    return x != T(0) && y != T(0);
  }
  static constexpr NoGradient grad{"boolean operation"};
};

}  // namespace gf::op
