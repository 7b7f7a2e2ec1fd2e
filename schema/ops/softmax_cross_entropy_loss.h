// softmax_cross_entropy_loss: nll_loss of log_softmax (ONNX SoftmaxCrossEntropyLoss-13). Inputs: scores, targets, optional
// weights per class. Outputs: loss and, if wanted, the log-probabilities. Errors as nll_loss.
#pragma once

#include "schema/loss_infer.h"

namespace gf::op {

struct SoftmaxCrossEntropyLoss {
  static constexpr OpInfo info{.id = 270, .name = "softmax_cross_entropy_loss", .min_inputs = 2, .max_inputs = 3,
                               .min_outputs = 1, .max_outputs = 2, .flags = kOpDataErrors};
  using Attrs = ClassLossAttrs;
  static constexpr auto& fields = kClassLossFields;
  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(infer_class_loss(c, a));
    return c.set(1, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = (exp(log_prob) - onehot(t)) * weight[t] * dloss (mean: / sum of weights)
};

}  // namespace gf::op
