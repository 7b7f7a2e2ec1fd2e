#include "trainer/nn/functional.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf::nn {
namespace {

gf::Reduction op_reduction(Reduction r) {
  return r == Reduction::None ? gf::Reduction::None : r == Reduction::Mean ? gf::Reduction::Mean : gf::Reduction::Sum;
}

// x times a weight for each place of its class axis.
Tensor weighted(const Tensor& x, const Tensor& weight, int64_t axis) {
  if (!weight) return x;
  Shape64 shape(x.shape().size(), 1);
  shape[static_cast<size_t>(axis)] = weight.numel();
  return x * reshape(weight, shape);
}

// Targets are probabilities of the classes; the mean is over samples.
Tensor soft_cross_entropy(const Tensor& scores, const Tensor& targets, const Tensor& weight, Reduction reduction, double label_smoothing, int64_t axis) {
  if (targets.shape() != scores.shape())
    throw Exception(Error::ShapeMismatch, "cross_entropy: probabilities of shape " + io::shape_text(targets.shape()) + " for scores of " + io::shape_text(scores.shape()));
  const Tensor wanted = label_smoothing == 0 ? targets : targets * (1 - label_smoothing) + label_smoothing / static_cast<double>(scores.size(axis));
  return reduced(-sum(weighted(wanted * log_softmax(scores, axis), weight, axis), {axis}), reduction);
}

}  // namespace

Tensor reduced(const Tensor& x, Reduction reduction) {
  if (reduction == Reduction::None) return x;
  return reduction == Reduction::Mean ? mean(x) : sum(x);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) { return apply<op::MatMul>({x, weight, bias}, {.transpose_b = true}); }

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool is_causal, double scale) {
  return apply<op::Attention>({q, k, v, mask}, {.scale = static_cast<float>(scale), .is_causal = is_causal});
}

Tensor cross_entropy(const Tensor& scores, const Tensor& targets, const Tensor& weight, int64_t ignore_index, Reduction reduction,
                     double label_smoothing) {
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    throw Exception(Error::InvalidArgument, "cross_entropy: label_smoothing " + std::to_string(label_smoothing) + " is outside [0, 1]");
  const ClassLossAttrs attrs{.reduction = op_reduction(reduction), .ignore_index = ignore_index, .axis = scores.rank() == 1 ? 0 : 1};
  if (dtype_is_float(targets.dtype())) return soft_cross_entropy(scores, targets, weight, reduction, label_smoothing, attrs.axis);
  if (label_smoothing == 0) return apply<op::SoftmaxCrossEntropyLoss>({scores, targets, weight}, attrs);
  // (1 - s) of the loss by the target, s of the mean over all classes, where the target counts
  const Tensor log_p = log_softmax(scores, attrs.axis);
  const Tensor by_target = apply<op::NllLoss>({log_p, targets, weight}, {.reduction = gf::Reduction::None, .ignore_index = ignore_index, .axis = attrs.axis});
  const Tensor ignored = apply<op::Equal>({targets, fixed_scalar(targets.dtype(), static_cast<double>(ignore_index))});
  const Tensor zero = fixed_scalar(scores.dtype(), 0), one = fixed_scalar(scores.dtype(), 1);
  const Tensor by_all = where(ignored, zero, -mean(weighted(log_p, weight, attrs.axis), {attrs.axis}));
  const Tensor each = by_target * (1 - label_smoothing) + by_all * label_smoothing;
  if (reduction != Reduction::Mean) return reduced(each, reduction);
  const Tensor counted = weight ? embedding(where(ignored, fixed_scalar(targets.dtype(), 0), targets), weight) : expand(one, targets.shape());
  return sum(each) / sum(where(ignored, zero, counted));
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& weight, int64_t ignore_index, Reduction reduction) {
  return apply<op::NllLoss>({log_probabilities, targets, weight},
                            {.reduction = op_reduction(reduction), .ignore_index = ignore_index, .axis = log_probabilities.rank() == 1 ? 0 : 1});
}

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  const Tensor e = x - target;
  return reduced(e * e, reduction);
}
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction) { return reduced(abs(x - target), reduction); }

Tensor huber_loss(const Tensor& x, const Tensor& target, Reduction reduction, double delta) {
  const Tensor e = abs(x - target), near = minimum(e, number_like(e, delta));
  return reduced(near * (e - near * 0.5), reduction);  // e^2 / 2 up to delta, delta (e - delta / 2) beyond
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, Reduction reduction, double beta) {
  if (beta == 0) return l1_loss(x, target, reduction);
  return huber_loss(x, target, reduction, beta) / beta;
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const Tensor& pos_weight, Reduction reduction) {
  // log(1 + exp(-x)) = softplus(-x); (1 - t) x + (1 + (w - 1) t) softplus(-x)
  const Tensor tail = apply<op::Softplus>({-x});
  const Tensor each = (1 - target) * x + (pos_weight ? (1 + (pos_weight - 1) * target) * tail : tail);
  return reduced(each, reduction);
}

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, Reduction reduction) {
  const auto log_kept = [](const Tensor& p) { return maximum(log(p), number_like(p, -100)); };
  return reduced(-(target * log_kept(x) + (1 - target) * log_kept(1 - x)), reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, Reduction reduction) {
  const Tensor zero = number_like(target, 0);
  const Tensor entropy = where(apply<op::Greater>({target, zero}), target * log(target), zero);
  return reduced(entropy - target * x, reduction);
}

}  // namespace gf::nn
