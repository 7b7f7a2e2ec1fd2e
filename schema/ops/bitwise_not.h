// bitwise_not: y = ~x.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct BitwiseNot : UnaryOp<BitwiseNot> {
  static constexpr OpInfo info{.id = 51, .name = "bitwise_not", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kInts;
  template <class T>
  static T apply(T x, const Attrs&) {
    return static_cast<T>(~x);
  }
  static constexpr NoGradient grad{"integer operation"};
};

}  // namespace gf::op
