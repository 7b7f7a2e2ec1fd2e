// rnn_grad: rnn backwards through time: da = dh f', dh = da r for the step before. Inputs r; y; from here on optional: sequence
// lengths, dy, d last h. Outputs da [directions, length, batch, hidden] and d initial h. See schema/recurrent_grad.h.
#pragma once

#include "schema/ops/rnn.h"
#include "schema/recurrent_grad.h"

namespace gf::op {

struct RnnGrad {
  static constexpr OpInfo info{
      .id = 315, .name = "rnn_grad", .min_inputs = 2, .max_inputs = 5, .min_outputs = 1, .max_outputs = 2, .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr std::span<const AttrField> fields = Rnn::fields;

  static Error infer(InferContext& c, const Attrs& a) { return infer_recurrent_grad(c, a, 1, 1, "YLYI"); }
  static uint64_t macs(const NodeShapes& s, const Attrs& a) { return saturating_product(s.output_volume(), static_cast<uint64_t>(a.hidden)); }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< one step after the other, for second derivatives
};

}  // namespace gf::op
