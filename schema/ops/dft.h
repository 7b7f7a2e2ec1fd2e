// dft: discrete Fourier transform along one axis (ONNX DFT-20). The last axis holds the real part, or real and
// imaginary. Inputs: x, length (cut or padded with zeros to it), axis (else the attribute).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Dft {
  static constexpr OpInfo info{.id = 207, .name = "dft", .min_inputs = 1, .max_inputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    int64_t axis = -2;      ///< used when input 2 is absent; not the last axis
    bool inverse = false;   ///< positive exponent, divided by the length
    bool onesided = false;  ///< forward: the first length / 2 + 1 frequencies; inverse: real output from those
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::inverse>(2, "inverse"),
                                         field<&Attrs::onesided>(3, "onesided")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    DimShape out = c.shape(0);
    const Dim parts = out[out.rank - 1];
    if (!parts.is_const() || parts.lo < 1 || parts.lo > 2)
      return c.fail(Error::ShapeMismatch, "the last axis must be 1 (real) or 2 (complex)");
    if (a.onesided && !a.inverse && parts.lo == 2)
      return c.fail(Error::ShapeMismatch, "onesided needs a real signal, the last axis is 2");
    int64_t raw = a.axis;
    bool known = true;
    Dim v;
    if (c.has_input(2)) {
      GF_TRY(read_scalar(c, 2, "axis", known, v));
      if (!known || !v.is_const()) return any_axis(c, a);
      raw = v.lo;
    }
    int axis = 0;
    GF_TRY(c.normalize_axis(raw, out.rank, axis));
    if (axis == out.rank - 1) return c.fail(Error::BadAttribute, "the last axis holds real and imaginary parts");
    Dim length = out[axis];
    if (a.inverse && a.onesided) length = c.mul(c.sub(length, 1), 2);
    if (c.has_input(1)) {
      GF_TRY(c.expect_type(1, kIndex));
      GF_TRY(read_scalar(c, 1, "dft_length", known, length));
      if (!known) length = c.fresh(1, kUnbounded);
    }
    if (length.hi < 1) return c.fail(Error::BadData, "the transform has length %lld", static_cast<long long>(length.hi));
    out[axis] = a.onesided && !a.inverse ? c.add(c.floor_div(length, 2), 1) : length;
    out[out.rank - 1] = a.onesided && a.inverse ? 1 : 2;
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = the conjugate transform of dy

 private:
  // The axis is decided while running: every length may be the transformed one.
  static Error any_axis(InferContext& c, const Attrs& a) {
    DimShape out = c.shape(0);
    for (int d = 0; d < out.rank - 1; ++d) {
      int64_t bound = c.has_input(1) ? kUnbounded : out[d].hi;
      if (c.has_input(1) && c.value_count(1) == 1) bound = c.value(1, 0).hi;
      else if (a.inverse && a.onesided && bound < kUnbounded / 2) bound *= 2;
      out[d] = c.fresh(0, bound > out[d].hi ? bound : out[d].hi);
    }
    out[out.rank - 1] = a.onesided && a.inverse ? 1 : 2;
    return c.set(0, c.dtype(0), out);
  }
};

}  // namespace gf::op
