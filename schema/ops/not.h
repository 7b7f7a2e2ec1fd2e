// not: logical negation.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Not : PredicateOp<Not> {
  static constexpr OpInfo info{.id = 52, .name = "not", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kBoolOnly;
  static Error infer(InferContext& c, const auto& a) {
    if (const int n = c.value_count(0); n >= 0 && n <= kMaxTrackedValues) {
      Dim values[kMaxTrackedValues];
      for (int k = 0; k < n; ++k) values[k] = c.combine(DimOp::Sub, 1, c.value(0, k));
      c.set_values(0, {values, static_cast<size_t>(n)});
    }
    return PredicateOp<Not>::infer(c, a);
  }
  template <class T>
  static bool apply(T x, const Attrs&) {
    return x == T(0);
  }
  static constexpr NoGradient grad{"boolean operation"};
};

}  // namespace gf::op
