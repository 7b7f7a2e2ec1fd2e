// or: logical or with NumPy broadcasting.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Or : CompareOp<Or> {
  static constexpr OpInfo info{
      .id = 73, .name = "or", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DTypeSet kTypes = kBoolOnly;
  template <class T>
  static bool apply(T x, T y, const Attrs&) {
    return x != T(0) || y != T(0);
  }
  static constexpr NoGradient grad{"boolean operation"};
};

}  // namespace gf::op
