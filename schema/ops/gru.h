// gru: gated recurrent unit (ONNX GRU; Cho et al. 2014), gates z, r, h: z = f(..), r = f(..),
// h~ = g(x w_h^T + (r * h) r_h^T + b), or g(x w_h^T + wb_h + r * (h r_h^T + rb_h)) with linear_before_reset;
// h = (1 - z) * h~ + z * h. Inputs x, w, r, b, sequence lengths, initial h (from b on optional); outputs y and the last
// h; when read, for gradients (set_steps): the values of z, r, h~ of every step, and what r meets: r * h, with
// linear_before_reset h r_h^T + rb_h. Shapes: schema/recurrent.h. Default f, g: sigmoid, tanh.
#pragma once

#include "schema/recurrent.h"

namespace gf::op {

struct Gru {
  static constexpr OpInfo info{
      .id = 311, .name = "gru", .min_inputs = 3, .max_inputs = 6, .min_outputs = 1, .max_outputs = 4,
      .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr AttrField fields[] = {field<&Attrs::hidden>(1, "hidden", 1, int64_t{1} << 30),
                                         field<&Attrs::direction>(2, "direction", 0, 2),
                                         field<&Attrs::activations>(3, "activations"),
                                         field<&Attrs::activation_alpha>(4, "activation_alpha"),
                                         field<&Attrs::activation_beta>(5, "activation_beta"),
                                         field<&Attrs::clip>(6, "clip"),
                                         field<&Attrs::option>(7, "linear_before_reset")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(infer_recurrent(c, a, 3, 2));
    GF_TRY(set_steps(c, a, 2, 3 * a.hidden));
    return set_steps(c, a, 3, a.hidden);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.recurrent(); }
  // back through time in gru_grad, which gives the gradients of what the gates' functions get; the rest as in lstm
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
