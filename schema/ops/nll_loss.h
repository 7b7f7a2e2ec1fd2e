// nll_loss: loss = -weight[t] * x[t] for each target class t, summed, averaged over the weights, or as it is (ONNX
// NegativeLogLikelihoodLoss-13). Inputs: log-probabilities, targets, optional weights per class. A target outside the
// classes that is not ignored is IndexOutOfRange; the mean over no targets is NaN.
#pragma once

#include "schema/loss_infer.h"

namespace gf::op {

struct NllLoss {
  static constexpr OpInfo info{.id = 269, .name = "nll_loss", .min_inputs = 2, .max_inputs = 3, .flags = kOpDataErrors};
  using Attrs = ClassLossAttrs;
  static constexpr auto& fields = kClassLossFields;
  static Error infer(InferContext& c, const Attrs& a) { return infer_class_loss(c, a); }
  static Error grad(Differentiator& d, const Attrs& a);  // dx[t] = -weight[t] * dloss (mean: / sum of the weights), 0 elsewhere
};

}  // namespace gf::op
