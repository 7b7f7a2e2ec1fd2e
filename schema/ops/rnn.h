// rnn: simple recurrence h = f(x w^T + h r^T + b) (ONNX RNN). Inputs x, w, r, b, sequence lengths, initial h (from b on
// optional); outputs y and the last h. Shapes: schema/recurrent.h. Default f: tanh.
#pragma once

#include "schema/recurrent.h"

namespace gf::op {

struct Rnn {
  static constexpr OpInfo info{
      .id = 312, .name = "rnn", .min_inputs = 3, .max_inputs = 6, .min_outputs = 1, .max_outputs = 2,
      .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr AttrField fields[] = {field<&Attrs::hidden>(1, "hidden", 1, int64_t{1} << 30),
                                         field<&Attrs::direction>(2, "direction", 0, 2),
                                         field<&Attrs::activations>(3, "activations"),
                                         field<&Attrs::activation_alpha>(4, "activation_alpha"),
                                         field<&Attrs::activation_beta>(5, "activation_beta"),
                                         field<&Attrs::clip>(6, "clip")};

  static Error infer(InferContext& c, const Attrs& a) { return infer_recurrent(c, a, 1, 1); }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.recurrent(); }
  // back through time in rnn_grad, which gives the gradient of what f gets; the rest as in lstm
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
