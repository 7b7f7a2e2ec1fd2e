// tensor_scatter: a cache with rows of an update written from a per-sample position on (ONNX TensorScatter-24).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct TensorScatter {
  static constexpr OpInfo info{
      .id = 163, .name = "tensor_scatter", .min_inputs = 2, .max_inputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    int64_t axis = -2;      ///< sequence axis, not the batch axis 0
    bool circular = false;  ///< positions wrap around the end of the cache
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::circular>(2, "circular")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_min_rank(0, 2));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    if (axis == 0) return c.fail(Error::BadAttribute, "axis must not be the batch axis 0");
    for (int d = 0; d < c.rank(0); ++d)
      if (d != axis) GF_TRY(c.expect_equal(c.shape(0)[d], c.shape(1)[d], "cache and update differ beside the axis"));
    if (c.shape(1)[axis].lo > c.shape(0)[axis].hi)
      return c.fail(Error::ShapeMismatch, "update of %lld rows for a cache of %lld",
                    static_cast<long long>(c.shape(1)[axis].lo), static_cast<long long>(c.shape(0)[axis].hi));
    if (c.has_input(2)) {
      GF_TRY(c.expect_type(2, dtypes(DType::I64)));
      GF_TRY(c.expect_rank(2, 1));
      GF_TRY(c.expect_equal(c.shape(2)[0], c.shape(0)[0], "write_indices needs one entry per sample"));
    }
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d update = rows of dy; d cache = dy, zero in the written rows
};

}  // namespace gf::op
