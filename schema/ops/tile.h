// tile: repeats a tensor along every axis (ONNX Tile-13).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Tile {
  static constexpr OpInfo info{.id = 165, .name = "tile", .min_inputs = 2, .max_inputs = 2};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kMovable));
    int length = 0;
    GF_TRY(read_length(c, 1, "repeats", length));
    if (length >= 0 && length != c.rank(0))
      return c.fail(Error::ShapeMismatch, "%d repeats for rank %d", length, c.rank(0));
    DimShape out = c.shape(0);
    for (int d = 0; d < out.rank; ++d) {
      Dim times;
      GF_TRY(read_size(c, 1, d, kUnbounded, "repeats", times));
      out[d] = c.mul(out[d], times);
    }
    GF_TRY(c.set(0, c.dtype(0), out));
    if (is_shape_value(c, 0) && out.rank == 1 && out[0].is_const() && out[0].lo <= kMaxTrackedValues) {
      Dim values[kMaxTrackedValues];
      for (int k = 0; k < out[0].lo; ++k) values[k] = c.value(0, k % c.value_count(0));
      c.set_values(0, {values, static_cast<size_t>(out[0].lo)});
    }
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = sum of dy over the repeats
};

}  // namespace gf::op
