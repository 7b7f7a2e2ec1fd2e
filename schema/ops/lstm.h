// lstm: long short-term memory (ONNX LSTM; Hochreiter and Schmidhuber 1997), gates i, o, f, c with peepholes p:
// i = f(.. + p_i * c), f = f(.. + p_f * c) (1 - i with input_forget), c = f * c + i * g(..), o = f(.. + p_o * c),
// h = o * h(c). Inputs x, w, r, b, sequence lengths, initial h, initial c, p [directions, 3 * hidden] in the order i,
// o, f (from b on optional); outputs y, last h, last c; when read, for gradients: the values of the gates i, o, f, g(..) and
// the cells of every step (set_steps). Shapes: schema/recurrent.h. Default f, g, h: sigmoid, tanh, tanh.
#pragma once

#include "schema/recurrent.h"

namespace gf::op {

struct Lstm {
  static constexpr OpInfo info{
      .id = 310, .name = "lstm", .min_inputs = 3, .max_inputs = 8, .min_outputs = 1, .max_outputs = 5,
      .flags = kOpDataErrors};
  using Attrs = RecurrentAttrs;
  static constexpr AttrField fields[] = {field<&Attrs::hidden>(1, "hidden", 1, int64_t{1} << 30),
                                         field<&Attrs::direction>(2, "direction", 0, 2),
                                         field<&Attrs::activations>(3, "activations"),
                                         field<&Attrs::activation_alpha>(4, "activation_alpha"),
                                         field<&Attrs::activation_beta>(5, "activation_beta"),
                                         field<&Attrs::clip>(6, "clip"),
                                         field<&Attrs::option>(7, "input_forget")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(infer_recurrent(c, a, 4, 3));
    DimShape state;
    state.push(a.directions());
    state.push(c.shape(0)[1]);
    state.push(a.hidden);
    if (c.has_input(6)) {
      GF_TRY(c.expect_same_type(0, 6));
      GF_TRY(c.expect_rank(6, 3));
      for (int d = 0; d < 3; ++d)
        GF_TRY(c.expect_equal(c.shape(6)[d], state[d], "the initial cell is not [directions, batch, hidden]"));
    }
    if (c.has_input(7)) {
      GF_TRY(c.expect_same_type(0, 7));
      GF_TRY(c.expect_rank(7, 2));
      GF_TRY(c.expect_equal(c.shape(7)[0], state[0], "p is not [directions, 3 * hidden]"));
      GF_TRY(c.expect_equal(c.shape(7)[1], 3 * a.hidden, "p is not [directions, 3 * hidden]"));
    }
    GF_TRY(set_steps(c, a, 3, 4 * a.hidden));
    GF_TRY(set_steps(c, a, 4, a.hidden));
    return c.set(2, c.dtype(0), state);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.recurrent(); }
  // back through time in lstm_grad, which gives da, the gradient of what the gates' functions get: dx = da w, dw = da^T x,
  // dr = da^T h of the step before, db = sum of da, dp = sum of da * c
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
