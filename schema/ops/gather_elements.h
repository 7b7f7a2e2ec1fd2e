// gather_elements: y[..i..] = data[..indices[..i..]..] along one axis (ONNX GatherElements-13).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct GatherElements {
  static constexpr OpInfo info{
      .id = 159, .name = "gather_elements", .min_inputs = 2, .max_inputs = 2, .flags = kOpDataErrors};
  struct Attrs {
    int64_t axis = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    for (int d = 0; d < c.rank(0); ++d)
      if (d != axis && c.shape(1)[d].lo > c.shape(0)[d].hi)
        return c.fail(Error::ShapeMismatch, "indices have length %lld on axis %d, data only %lld",
                      static_cast<long long>(c.shape(1)[d].lo), d, static_cast<long long>(c.shape(0)[d].hi));
    return c.set(0, c.dtype(0), c.shape(1));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d data = scatter_elements-add of dy at the indices
};

}  // namespace gf::op
