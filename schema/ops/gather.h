// gather: slices of the data picked by indices along one axis (ONNX Gather-13); negative indices count from the end.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Gather {
  static constexpr OpInfo info{.id = 158, .name = "gather", .min_inputs = 2, .max_inputs = 2, .flags = kOpDataErrors};
  struct Attrs {
    int64_t axis = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_min_rank(0, 1));
    const DimShape &data = c.shape(0), &indices = c.shape(1);
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, data.rank, axis));
    if (data.rank - 1 + indices.rank > kMaxRank)
      return c.fail(Error::LimitExceeded, "result of rank %d is over %d", data.rank - 1 + indices.rank, kMaxRank);
    DimShape out;
    for (int d = 0; d < axis; ++d) out.push(data[d]);
    for (int d = 0; d < indices.rank; ++d) out.push(indices[d]);
    for (int d = axis + 1; d < data.rank; ++d) out.push(data[d]);
    GF_TRY(c.set(0, c.dtype(0), out));
    return pick_values(c);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d data = scatter-add of dy at the indices

 private:
  static Error pick_values(InferContext& c) {
    const int n = c.value_count(1), length = c.value_count(0);
    if (!is_shape_value(c, 0) || c.rank(0) != 1 || n < 0 || n > kMaxTrackedValues) return Error::Ok;
    Dim values[kMaxTrackedValues];
    for (int k = 0; k < n; ++k) {
      const Dim index = c.value(1, k);
      if (!index.is_const()) return Error::Ok;
      if (index.lo < -length || index.lo >= length)
        return c.fail(Error::IndexOutOfRange, "index %lld into %d elements", static_cast<long long>(index.lo), length);
      values[k] = c.value(0, static_cast<int>(index.lo < 0 ? index.lo + length : index.lo));
    }
    c.set_values(0, {values, static_cast<size_t>(n)});
    return Error::Ok;
  }
};

}  // namespace gf::op
