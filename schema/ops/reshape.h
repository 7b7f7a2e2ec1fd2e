// reshape: the same elements in another shape (ONNX Reshape-14): 0 copies the input's dimension unless allowzero, one
// -1 takes what is left.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Reshape {
  static constexpr OpInfo info{.id = 151, .name = "reshape", .min_inputs = 2, .max_inputs = 2, .flags = kOpView};
  struct Attrs {
    bool allowzero = false;  ///< a 0 in the shape means zero elements, not "copy"
  };
  static constexpr AttrField fields[] = {field<&Attrs::allowzero>(1, "allowzero")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    int length = 0;
    GF_TRY(read_length(c, 1, "shape", length));
    if (length < 0) return c.set_unknown(0, c.dtype(0));
    if (length > kMaxRank) return c.fail(Error::LimitExceeded, "shape has %d dimensions, the limit is %d", length, kMaxRank);
    DimShape out;
    if (c.value_count(1) < 0) {
      // an empty tensor may become any shape with a 0 in it: its other dimensions bound what is planned for
      int64_t bound = 1;
      for (int d = 0; d < c.rank(0); ++d) {
        const int64_t length = c.shape(0)[d].hi;
        if (length > 1 && (length == kUnbounded || !mul_checked(bound, length, bound))) bound = kUnbounded;
        if (bound == kUnbounded) break;
      }
      for (int k = 0; k < length; ++k) out.push(c.fresh(0, bound));
      return c.set(0, c.dtype(0), out);
    }
    GF_TRY(resolve(c, a, length, out));
    GF_TRY(c.set(0, c.dtype(0), out));
    forward_values(c, 0, 0);
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = reshape(dy, shape of x)

 private:
  static Error resolve(InferContext& c, const Attrs& a, int length, DimShape& out) {
    const DimShape& in = c.shape(0);
    int free_axis = -1;
    bool has_zero = false;
    uint32_t used = 0;  // input dims whose factor is cancelled by an output dim
    uint32_t cancelled = 0;
    for (int k = 0; k < length; ++k) {
      const Dim v = c.value(1, k);
      if (v.hi < -1) return c.fail(Error::BadData, "shape[%d] is %lld", k, static_cast<long long>(v.hi));
      if (v.is_const() && v.lo == -1) {
        if (free_axis >= 0) return c.fail(Error::BadData, "shape has two entries of -1 (%d and %d)", free_axis, k);
        free_axis = k;
        out.push(1);
      } else if (v.is_const() && v.lo == 0 && !a.allowzero) {
        if (k >= in.rank) return c.fail(Error::ShapeMismatch, "shape[%d] is 0 (copy), but the input has rank %d", k, in.rank);
        out.push(in[k]);
        if ((used & (1U << k)) == 0) {
          used |= 1U << k;
          cancelled |= 1U << k;
        }
      } else {
        has_zero |= v.is_const() && v.lo == 0;
        out.push(v.lo < 0 ? Dim(0, v.hi, v.expr) : v);
      }
    }
    if (free_axis >= 0 && has_zero) return c.fail(Error::BadData, "shape has both 0 and -1, which leaves -1 open");
    for (int k = 0; k < length; ++k) {
      if (k == free_axis || (cancelled & (1U << k)) != 0) continue;
      for (int d = 0; d < in.rank; ++d)
        if ((used & (1U << d)) == 0 && in[d].same(out[k])) {
          used |= 1U << d;
          cancelled |= 1U << k;
          break;
        }
    }
    Dim have = 1, want = 1;
    for (int d = 0; d < in.rank; ++d)
      if ((used & (1U << d)) == 0) have = c.mul(have, in[d]);
    for (int k = 0; k < length; ++k)
      if (k != free_axis && (cancelled & (1U << k)) == 0) want = c.mul(want, out[k]);
    if (free_axis < 0) {
      // cancelled factors may still be zero, so only the full products can prove a mismatch
      return c.expect_equal(c.count(in), c.count(out), "reshape changes the number of elements");
    }
    if (c.failed()) return c.fail(Error::BadGraph, "the product of the dimensions overflows");
    if (want.is_const() && want.lo == 0) return c.fail(Error::BadData, "-1 beside a dimension of 0 is undefined");
    if (have.is_const() && want.is_const() && have.lo % want.lo != 0)
      return c.fail(Error::ShapeMismatch, "%lld elements do not divide by %lld", static_cast<long long>(have.lo),
                    static_cast<long long>(want.lo));
    out[free_axis] = c.floor_div(have, want);
    return Error::Ok;
  }
};

}  // namespace gf::op
