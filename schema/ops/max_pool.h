// max_pool: greatest element of each window (ONNX MaxPool), channels last. Outputs y and, when read, indices (int64) of
// the first greatest element as a flat index into the tensor in ONNX's order [N, C, spatial..]; column_major counts the
// spatial axes the other way round (storage_order = 1). NaN wins; a window in the padding alone gives the lowest value.
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct MaxPool {
  static constexpr OpInfo info{
      .id = 303, .name = "max_pool", .min_inputs = 1, .max_inputs = 1, .min_outputs = 1, .max_outputs = 2};
  struct Attrs : PoolAttrs {
    bool column_major = false;
  };
  static constexpr auto fields = pool_fields<Attrs>(field<&Attrs::column_major>(7, "column_major"));

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    DimShape out;
    GF_TRY(pool_shape(c, a, out));
    GF_TRY(c.set(0, c.dtype(0), out));
    return c.set(1, DType::I64, out);
  }
  // dx[indices] += dy
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
