// one_hot: a new axis of `depth` places, on-value at the index, off-value elsewhere and for indices outside
// [-depth, depth) (ONNX OneHot-11). Inputs: indices, depth, values = [off, on].
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct OneHot {
  static constexpr OpInfo info{.id = 172, .name = "one_hot", .min_inputs = 3, .max_inputs = 3};
  struct Attrs {
    int64_t axis = -1;  ///< of the result
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    GF_TRY(c.expect_type(1, kNumbers));
    GF_TRY(c.expect_type(2, kMovable));
    GF_TRY(c.expect_rank(2, 1));
    GF_TRY(c.expect_equal(c.shape(2)[0], 2, "values must be [off, on]"));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0) + 1, axis));
    if (c.rank(0) >= kMaxRank) return c.fail(Error::LimitExceeded, "rank %d is at the limit", c.rank(0));
    bool known = false;
    Dim depth;
    GF_TRY(read_scalar(c, 1, "depth", known, depth));
    if (!known && c.data(1) != nullptr && c.dtype(1) == DType::F32) {  // exporters write float depths too
      float f = 0;
      std::memcpy(&f, c.data(1), sizeof f);
      if (!(f >= 0 && f < 2e9f)) return c.fail(Error::BadData, "depth is negative or not finite");
      depth = static_cast<int64_t>(f);
      known = true;
    }
    if (!known) depth = c.fresh(0, kUnbounded);
    if (depth.hi < 0) return c.fail(Error::BadData, "depth is %lld", static_cast<long long>(depth.hi));
    if (depth.lo < 0) depth.lo = 0;
    DimShape out;
    for (int d = 0, from = 0; d <= c.rank(0); ++d) out.push(d == axis ? depth : c.shape(0)[from++]);
    return c.set(0, c.dtype(2), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d values = [sum of dy off, sum of dy on]
};

}  // namespace gf::op
