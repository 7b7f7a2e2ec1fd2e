// identity: y = x.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Identity {
  static constexpr OpInfo info{.id = 83, .name = "identity", .flags = kOpView};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    if (!c.has_input(0)) return c.fail(Error::BadGraph, "input 0 is missing");
    if (const int n = c.value_count(0); n >= 0 && n <= kMaxTrackedValues) {
      Dim values[kMaxTrackedValues];
      for (int k = 0; k < n; ++k) values[k] = c.value(0, k);
      c.set_values(0, {values, static_cast<size_t>(n)});
    }
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy
};

}  // namespace gf::op
