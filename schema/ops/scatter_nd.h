// scatter_nd: data with slices written (or added, ...) at index tuples (ONNX ScatterND-18).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"
#include "schema/ops/scatter_elements.h"

namespace gf::op {

struct ScatterNd {
  static constexpr OpInfo info{
      .id = 162, .name = "scatter_nd", .min_inputs = 3, .max_inputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    ScatterReduction reduction = ScatterReduction::None;
  };
  static constexpr AttrField fields[] = {field<&Attrs::reduction>(1, "reduction", 0, 4)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, a.reduction == ScatterReduction::None ? kMovable : kNumbersAndBool));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(c.expect_min_rank(1, 1));
    const DimShape &data = c.shape(0), &indices = c.shape(1), &updates = c.shape(2);
    const Dim tuple = indices[indices.rank - 1];
    if (tuple.lo > data.rank)
      return c.fail(Error::ShapeMismatch, "index tuples of %lld for rank %d", static_cast<long long>(tuple.lo), data.rank);
    if (tuple.is_const()) {
      const int from = static_cast<int>(tuple.lo);
      const int rank = indices.rank - 1 + data.rank - from;
      GF_TRY(c.expect_rank(2, rank));
      for (int d = 0; d < rank; ++d)
        GF_TRY(c.expect_equal(updates[d], d < indices.rank - 1 ? indices[d] : data[from + d - (indices.rank - 1)],
                              "updates do not fit indices and data"));
    }
    return c.set(0, c.dtype(0), data);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d updates = gather_nd(dy, indices); d data = dy, zero where overwritten
};

}  // namespace gf::op
