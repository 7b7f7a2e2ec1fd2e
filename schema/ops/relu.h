// relu: y = max(x, 0); NaN stays NaN.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Relu : UnaryOp<Relu> {
  static constexpr OpInfo info{.id = 36, .name = "relu", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kFloats | kSignedInts;
  template <class T>
  static T apply(T x, const Attrs&) {
    return x < T(0) ? T(0) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (y > 0)
};

}  // namespace gf::op
