// batch_norm: y = f((x - mean) / sqrt(var + epsilon) * scale + bias) per channel (ONNX BatchNormalization; Ioffe & Szegedy 2015), f an
// activation that a pass put in (relu or clamp). Channels last: x [batch, ..., channels]. Inputs x, scale, bias, mean, var, each
// [channels]. Without mean and var (training) they are those of the batch: outputs mean and var (over n, not n - 1).
#pragma once

#include "schema/epilogue.h"
#include "schema/formula.h"
#include "schema/norm_infer.h"

namespace gf::op {

struct BatchNorm {
  static constexpr OpInfo info{.id = 275, .name = "batch_norm", .min_inputs = 3, .max_inputs = 5, .min_outputs = 1, .max_outputs = 3};
  struct Attrs {
    float epsilon = 1e-5f;
    Activation activation = Activation::None;  ///< None, Relu or Clamp
    float activation_a = 0;
    float activation_b = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::epsilon>(1, "epsilon"),
                                         field<&Attrs::activation>(2, "activation", 0, static_cast<int64_t>(Activation::Clamp)),
                                         field<&Attrs::activation_a>(3, "activation_a"), field<&Attrs::activation_b>(4, "activation_b")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(expect_epsilon(c, a.epsilon));
    GF_TRY(check_activation(c, a.activation, a.activation_a, a.activation_b));
    static constexpr const char* kWhat[] = {
        "", "scale needs one entry per channel", "bias needs one entry per channel", "mean needs one entry per channel",
        "var needs one entry per channel"};
    for (int i = 1; i < 5; ++i) {
      if (!c.has_input(i)) continue;
      GF_TRY(c.expect_type(i, kFloats));
      GF_TRY(expect_per_channel(c, i, kWhat[i]));
    }
    if (c.has_input(3) != c.has_input(4)) return c.fail(Error::InvalidArgument, "mean and var are given together, or neither is");
    if (c.has_input(3) && (c.has_output(1) || c.has_output(2)))
      return c.fail(Error::InvalidArgument, "mean and var are given: there are no statistics of the batch to give back");
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    if (c.has_input(3)) return Error::Ok;
    DimShape channels;
    channels.push(c.shape(0)[c.rank(0) - 1]);
    GF_TRY(c.set(1, statistics_type(c.dtype(0)), channels));
    return c.set(2, statistics_type(c.dtype(0)), channels);
  }
  // given statistics: dx = dy * scale / sqrt(var + epsilon); dscale, dbias summed over the rest. Those of the batch: batch_norm_grad
  static Error grad(Differentiator& d, const Attrs& a);
  /// The activation leaves; statistics of the batch are computed by reductions.
  static Error expand(Expander& e, const Attrs& a) {
    Attrs bare = a;
    bare.activation = Activation::None;
    bare.activation_a = bare.activation_b = 0;
    Var mean = e.input(3), var = e.input(4);
    const Var x = e.input(0);
    if (!mean) {
      int64_t axes[kMaxRank];
      const int count = e.rank(x) - 1;
      for (int k = 0; k < count; ++k) axes[k] = k;
      const IntList others(axes, static_cast<size_t>(count));
      const Var own = e.cast(x, statistics_type(e.dtype(x)));
      mean = count == 0 ? own : e.reduce_mean(own, others, false);
      const Var centred = own - mean;
      var = count == 0 ? centred * centred : e.reduce_mean(centred * centred, others, false);
      e.output(1, mean);
      e.output(2, var);
    }
    return e.finish(e.activate(a.activation, e.node<BatchNorm>({x, e.input(1), e.input(2), mean, var}, bare), a.activation_a, a.activation_b));
  }
};

}  // namespace gf::op
