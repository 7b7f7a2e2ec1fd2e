// gru_grad: gru backwards through time (Cho et al. 2014). With n = h~, dh from the step after and k' the slope of gate k's function:
//   da_n = dh (1 - z) n';  da_z = dh (h - n) z';  m = da_n r_h;  da_r = m h r';  dh = dh z + m r + da_z r_z + da_r r_r
// With linear_before_reset, u = h r_h^T + rb_h: da_r = da_n u r', dh = dh z + ds r, where ds = (da_z, da_r, da_n r).
// Inputs r; z, r, n and what r meets, as gru kept them; y; from here on optional: initial h, sequence lengths, dy, d last h, d of
// what gru kept (two). Outputs da [directions, length, batch, 3 * hidden], d initial h, and with linear_before_reset ds. See
// schema/recurrent_grad.h.
#pragma once

#include "schema/ops/gru.h"
#include "schema/recurrent_grad.h"

namespace gf::op {

struct GruGrad {
  static constexpr OpInfo info{
      .id = 314, .name = "gru_grad", .min_inputs = 4, .max_inputs = 10, .min_outputs = 1, .max_outputs = 3, .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr std::span<const AttrField> fields = Gru::fields;

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(infer_recurrent_grad(c, a, 3, 2, "GSYILYIGS"));
    if (!c.has_input(2) || !c.has_input(3)) return c.fail(Error::InvalidArgument, "what gru kept is missing");
    if (c.has_output(2) && !a.option) return c.fail(Error::InvalidArgument, "output 2 is for linear_before_reset");
    return c.set(2, c.dtype(0), c.shape(1));
  }
  static uint64_t macs(const NodeShapes& s, const Attrs& a) { return saturating_product(s.output_volume(), static_cast<uint64_t>(a.hidden)); }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< one step after the other, for second derivatives
};

}  // namespace gf::op
