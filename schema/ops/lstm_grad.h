// lstm_grad: lstm backwards through time (Hochreiter and Schmidhuber 1997). With H = h(c'), dh and dc from the step after, p the
// peepholes and k' the slope of gate k's function:
//   da_o = (dh H) o';  dc = dc + dh o H' + p_o da_o;  da_g = dc i g';  da_f = dc c f';  da_i = dc g i'
//   dh = da r and dc = dc f + p_i da_i + p_f da_f for the step before. With input_forget da_i = dc (g - c) i', da_f = 0.
// Inputs r; the gates and cells that lstm kept; from here on optional: initial c, sequence lengths, p, dy, d last h, d last c, d
// gates, d cells. Outputs da [directions, length, batch, 4 * hidden], d initial h, d initial c. See schema/recurrent_grad.h.
#pragma once

#include "schema/ops/lstm.h"
#include "schema/recurrent_grad.h"

namespace gf::op {

struct LstmGrad {
  static constexpr OpInfo info{
      .id = 313, .name = "lstm_grad", .min_inputs = 3, .max_inputs = 11, .min_outputs = 1, .max_outputs = 3, .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr std::span<const AttrField> fields = Lstm::fields;

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(infer_recurrent_grad(c, a, 4, 3, "GSILPYIIGS"));
    if (!c.has_input(2)) return c.fail(Error::InvalidArgument, "the cells are missing");
    DimShape initial;
    for (const Dim d : {Dim(a.directions()), c.shape(1)[2], Dim(a.hidden)}) initial.push(d);
    return c.set(2, c.dtype(0), initial);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs& a) { return saturating_product(s.output_volume(), static_cast<uint64_t>(a.hidden)); }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< one step after the other, for second derivatives
};

}  // namespace gf::op
