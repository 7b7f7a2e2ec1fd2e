// neg: y = -x; the smallest integer wraps to itself.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Neg : UnaryOp<Neg> {
  static constexpr OpInfo info{.id = 15, .name = "neg", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kFloats | kSignedInts;
  template <class T>
  static T apply(T x, const Attrs&) {
    if constexpr (std::is_floating_point_v<T>) return -x;
    else return wrapping::sub(T(0), x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = -dy
};

}  // namespace gf::op
