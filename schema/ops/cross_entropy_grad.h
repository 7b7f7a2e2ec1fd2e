// cross_entropy_grad: gradient of softmax_cross_entropy_loss by the scores. Inputs: scores, targets, the loss's gradient (shaped like the
// loss), optional weights per class. With p the softmax and t the target of a line: dx = (p - onehot(t)) * weight[t] * dloss, with Mean
// divided by the sum of weights; 0 for ignored targets. Errors as the loss. Made by gradients only (schema/gradients/loss.cpp).
#pragma once

#include "schema/formula.h"
#include "schema/loss_infer.h"

namespace gf::op {

struct CrossEntropyGrad {
  static constexpr OpInfo info{.id = 285, .name = "cross_entropy_grad", .min_inputs = 3, .max_inputs = 4, .flags = kOpDataErrors};
  using Attrs = ClassLossAttrs;
  static constexpr auto& fields = kClassLossFields;
  static Error infer(InferContext& c, const Attrs& a) {
    DimShape loss;
    GF_TRY(check_class_loss(c, a, 3, loss));
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_rank(2, loss.rank));
    for (int d = 0; d < loss.rank; ++d)
      GF_TRY(c.expect_equal(loss[d], c.shape(2)[d], "the gradient must have the shape of the loss"));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< softmax and one_hot, for second derivatives
};

}  // namespace gf::op
