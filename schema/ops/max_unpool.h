// max_unpool: puts x back where max_pool found it, zero elsewhere (ONNX MaxUnpool), channels last. Inputs x
// [N, spatial.., C], indices (as max_pool gives them, counted in the natural shape), output shape (optional, int64 in
// ONNX's order N, C, spatial..). The natural spatial size is (in - 1) * stride - pads + kernel; a larger output shape
// adds zeros at the ends.
#pragma once

#include "schema/spatial.h"

namespace gf::op {

struct MaxUnpool {
  static constexpr OpInfo info{
      .id = 306, .name = "max_unpool", .min_inputs = 2, .max_inputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    IntList kernel = {};   ///< one per spatial axis
    IntList strides = {};  ///< empty: 1
    IntList pads = {};     ///< befores, then afters; empty: 0

    WindowAttrs window() const { return {strides, {}, pads, AutoPad::NotSet, false}; }
  };
  static constexpr AttrField fields[] = {field<&Attrs::kernel>(1, "kernel"), field<&Attrs::strides>(2, "strides"),
                                         field<&Attrs::pads>(3, "pads")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    GF_TRY(c.expect_type(1, dtypes(DType::I64)));
    GF_TRY(c.expect_min_rank(0, 3));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    const DimShape& x = c.shape(0);
    const int spatial = x.rank - 2;
    if (a.kernel.empty()) return c.fail(Error::BadAttribute, "kernel is missing");
    GF_TRY(check_window_list(c, a.kernel, spatial, 1, "kernel"));
    GF_TRY(check_window(c, a.window(), spatial));
    for (int d = 0; d < x.rank; ++d) GF_TRY(c.expect_equal(x[d], c.shape(1)[d], "x and indices differ in shape"));
    DimShape out = x;
    for (int d = 0; d < spatial; ++d) out[d + 1] = natural(c, a, d, x[d + 1]);
    if (!c.has_input(2)) return c.set(0, c.dtype(0), out);
    GF_TRY(c.expect_type(2, dtypes(DType::I64)));
    GF_TRY(c.expect_rank(2, 1));
    const int given = c.value_count(2);
    if (given >= 0 && given != x.rank)
      return c.fail(Error::ShapeMismatch, "the output shape has %d entries, expected %d", given, x.rank);
    for (int d = 0; d < spatial; ++d) {
      if (given < 0) {
        out[d + 1] = c.fresh(out[d + 1].lo, kUnbounded);
        continue;
      }
      const Dim wanted = c.value(2, d + 2);
      if (wanted.hi < out[d + 1].lo)
        return c.fail(Error::ShapeMismatch,
                      "the output shape asks for %lld on spatial axis %d, at least %lld are needed",
                      static_cast<long long>(wanted.hi), d, static_cast<long long>(out[d + 1].lo));
      out[d + 1] = wanted;
    }
    return c.set(0, c.dtype(0), out);
  }
  // dx = dy[indices]
  static Error grad(Differentiator& d, const Attrs& a);

  static Dim natural(InferContext& c, const Attrs& a, int d, const Dim& in) {
    const WindowAttrs w = a.window();
    return c.add(c.mul(c.sub(in, 1), w.stride(d)), a.kernel[static_cast<size_t>(d)] - w.pad_begin(d) - w.pad_end(d));
  }
};

}  // namespace gf::op
