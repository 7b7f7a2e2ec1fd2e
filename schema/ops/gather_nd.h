// gather_nd: slices of the data picked by index tuples, the last axis of indices (ONNX GatherND-13, batch_dims).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct GatherNd {
  static constexpr OpInfo info{
      .id = 160, .name = "gather_nd", .min_inputs = 2, .max_inputs = 2, .flags = kOpDataErrors};
  struct Attrs {
    int64_t batch_dims = 0;  ///< leading axes shared by data and indices
  };
  static constexpr AttrField fields[] = {field<&Attrs::batch_dims>(1, "batch_dims", 0, kMaxRank)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(c.expect_min_rank(1, 1));
    const DimShape &data = c.shape(0), &indices = c.shape(1);
    const int batch = static_cast<int>(a.batch_dims);
    if (batch >= data.rank || batch >= indices.rank)
      return c.fail(Error::BadAttribute, "batch_dims %d must be below both ranks (%d, %d)", batch, data.rank, indices.rank);
    for (int d = 0; d < batch; ++d) GF_TRY(c.expect_equal(data[d], indices[d], "batch dimensions differ"));
    const Dim tuple = indices[indices.rank - 1];
    if (!tuple.is_const()) return c.set_unknown(0, c.dtype(0));
    if (tuple.lo > data.rank - batch)
      return c.fail(Error::ShapeMismatch, "index tuples of %lld for %d axes", static_cast<long long>(tuple.lo),
                    data.rank - batch);
    const int from = batch + static_cast<int>(tuple.lo);
    if (indices.rank - 1 + data.rank - from > kMaxRank)
      return c.fail(Error::LimitExceeded, "result of rank %d is over %d", indices.rank - 1 + data.rank - from, kMaxRank);
    DimShape out;
    for (int d = 0; d < indices.rank - 1; ++d) out.push(indices[d]);
    for (int d = from; d < data.rank; ++d) out.push(data[d]);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d data = scatter_nd-add of dy at the indices
};

}  // namespace gf::op
