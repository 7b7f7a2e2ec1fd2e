// bitwise_or: z = x | y with NumPy broadcasting.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct BitwiseOr : BinaryOp<BitwiseOr> {
  static constexpr OpInfo info{
      .id = 69, .name = "bitwise_or", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise | kOpCommutative};
  static constexpr DTypeSet kTypes = kInts;
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return static_cast<T>(x | y);
  }
  static constexpr NoGradient grad{"integer operation"};
};

}  // namespace gf::op
