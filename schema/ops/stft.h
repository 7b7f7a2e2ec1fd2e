// stft: Fourier transforms of overlapping windows of a signal (ONNX STFT-17): signal [B, L, 1 or 2], frame step,
// window (optional), frame length (optional) -> [B, frames, frequencies, 2].
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Stft {
  static constexpr OpInfo info{.id = 208, .name = "stft", .min_inputs = 2, .max_inputs = 4, .flags = kOpDataErrors};
  struct Attrs {
    bool onesided = true;
  };
  static constexpr AttrField fields[] = {field<&Attrs::onesided>(1, "onesided")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_rank(0, 3));
    const Dim parts = c.shape(0)[2];
    if (!parts.is_const() || parts.lo < 1 || parts.lo > 2)
      return c.fail(Error::ShapeMismatch, "the last axis must be 1 (real) or 2 (complex)");
    if (a.onesided && parts.lo == 2) return c.fail(Error::ShapeMismatch, "onesided needs a real signal, the last axis is 2");
    bool known = false;
    Dim step, frame = c.shape(0)[1];
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(read_scalar(c, 1, "frame_step", known, step));
    if (!known) step = c.fresh(1, kUnbounded);
    if (step.hi < 1) return c.fail(Error::BadData, "frame_step is %lld", static_cast<long long>(step.hi));
    if (c.has_input(2)) {
      GF_TRY(c.expect_same_type(0, 2));
      GF_TRY(c.expect_rank(2, 1));
      frame = c.shape(2)[0];
    }
    if (c.has_input(3)) {
      Dim length;
      GF_TRY(c.expect_type(3, kIndex));
      GF_TRY(read_scalar(c, 3, "frame_length", known, length));
      if (!known) length = c.has_input(2) ? frame : c.fresh(1, c.shape(0)[1].hi);
      if (c.has_input(2)) GF_TRY(c.expect_equal(length, frame, "window and frame_length differ"));
      frame = length;
    }
    if (frame.hi < 1) return c.fail(Error::BadData, "frames have length %lld", static_cast<long long>(frame.hi));
    if (frame.lo > c.shape(0)[1].hi) return c.fail(Error::ShapeMismatch, "a frame is longer than the signal");
    DimShape out;
    out.push(c.shape(0)[0]);
    out.push(c.add(c.floor_div(c.sub(c.shape(0)[1], frame), step), 1));
    out.push(a.onesided ? c.add(c.floor_div(frame, 2), 1) : frame);
    out.push(2);
    return c.set(0, c.dtype(0), out);
  }
  // dx = windows of the conjugate transforms of dy, added where they overlap
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
