// log: natural logarithm; -inf at zero, NaN below.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Log : UnaryOp<Log> {
  static constexpr OpInfo info{.id = 19, .name = "log", .flags = kOpElementwise};
  template <class T>
  static T apply(T x, const Attrs&) {
    return std::log(x);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / x
};

}  // namespace gf::op
