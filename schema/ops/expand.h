// expand: broadcasts a tensor to (the broadcast of its shape and) a given shape (ONNX Expand-13).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Expand {
  static constexpr OpInfo info{.id = 164, .name = "expand", .min_inputs = 2, .max_inputs = 2};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kMovable));
    int length = 0;
    GF_TRY(read_length(c, 1, "shape", length));
    if (length < 0) return c.set_unknown(0, c.dtype(0));
    if (length > kMaxRank) return c.fail(Error::LimitExceeded, "shape has %d dimensions, the limit is %d", length, kMaxRank);
    DimShape wanted, out;
    for (int k = 0; k < length; ++k) {
      Dim d;
      GF_TRY(read_size(c, 1, k, kUnbounded, "shape", d));
      wanted.push(d);
    }
    GF_TRY(c.broadcast(c.shape(0), wanted, out));
    GF_TRY(c.set(0, c.dtype(0), out));
    if (is_shape_value(c, 0) && c.value_count(0) == 1 && out.rank <= 1 && out.is_const()) {
      const int64_t n = out.rank == 0 ? 1 : out[0].lo;
      if (n > kMaxTrackedValues) return Error::Ok;
      Dim values[kMaxTrackedValues];
      for (int64_t k = 0; k < n; ++k) values[k] = c.value(0, 0);
      c.set_values(0, {values, static_cast<size_t>(n)});
    } else if (c.value_count(0) >= 0 && c.count(c.shape(0)).same(c.count(out))) {
      forward_values(c, 0, 0);
    }
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy summed over the broadcast axes
};

}  // namespace gf::op
