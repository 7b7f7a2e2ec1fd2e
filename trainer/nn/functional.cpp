#include "trainer/nn/functional.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf::nn {
namespace {

// Lists of attributes outlive the call that records them: attributes are copied when an op is recorded.
struct Window {
  int64_t kernel[2], strides[2], dilations[2], pads[4];
  Window(Pair k, Pair s, Pair p, Pair d = 1) : kernel{k.h, k.w}, strides{s.h, s.w}, dilations{d.h, d.w}, pads{p.h, p.w, p.h, p.w} {}
};

Tensor channels_last(const char* function, const Tensor& x) {
  if (x.rank() != 4)
    throw Exception(Error::ShapeMismatch, std::string(function) + ": the image has shape " + io::shape_text(x.shape()) + "; [N, C, H, W] is needed");
  return permute(x, {0, 2, 3, 1});
}
Tensor channels_first(const Tensor& x) { return permute(x, {0, 3, 1, 2}); }

Tensor reduced(const Tensor& x, Reduction reduction) {
  if (reduction == Reduction::None) return x;
  return reduction == Reduction::Mean ? mean(x) : sum(x);
}

gf::Reduction op_reduction(Reduction r) {
  return r == Reduction::None ? gf::Reduction::None : r == Reduction::Mean ? gf::Reduction::Mean : gf::Reduction::Sum;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) { return apply<op::MatMul>({x, weight, bias}, {.transpose_b = true}); }

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Pair stride, Pair padding, Pair dilation, int64_t groups) {
  const Window w(1, stride, padding, dilation);
  return channels_first(apply<op::Conv>({channels_last("conv2d", x), weight, bias},
                                        {.strides = w.strides, .dilations = w.dilations, .pads = w.pads, .groups = groups}));
}

Tensor max_pool2d(const Tensor& x, Pair kernel, std::optional<Pair> stride, Pair padding) {
  const Window w(kernel, stride.value_or(kernel), padding);
  op::MaxPool::Attrs attrs;
  attrs.kernel = w.kernel;
  attrs.strides = w.strides;
  attrs.pads = w.pads;
  return channels_first(apply<op::MaxPool>({channels_last("max_pool2d", x)}, attrs));
}

Tensor avg_pool2d(const Tensor& x, Pair kernel, std::optional<Pair> stride, Pair padding) {
  const Window w(kernel, stride.value_or(kernel), padding);
  op::AveragePool::Attrs attrs;
  attrs.kernel = w.kernel;
  attrs.strides = w.strides;
  attrs.pads = w.pads;
  attrs.count_include_pad = true;
  return channels_first(apply<op::AveragePool>({channels_last("avg_pool2d", x)}, attrs));
}

Tensor global_avg_pool2d(const Tensor& x) { return mean(x, {2, 3}, true); }

Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias, double eps) {
  return channels_first(apply<op::BatchNorm>({channels_last("batch_norm", x), weight, bias, mean, var}, {.epsilon = static_cast<float>(eps)}));
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return apply<op::LayerNorm>({x, weight, bias}, {.axis = -weight.rank(), .epsilon = static_cast<float>(eps)});
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  return apply<op::RmsNorm>({x, weight}, {.axis = -weight.rank(), .epsilon = static_cast<float>(eps)});
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool is_causal, double scale) {
  return apply<op::Attention>({q, k, v, mask}, {.scale = static_cast<float>(scale), .is_causal = is_causal});
}

Tensor cross_entropy(const Tensor& scores, const Tensor& targets, const Tensor& weight, int64_t ignore_index, Reduction reduction,
                     double label_smoothing) {
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    throw Exception(Error::InvalidArgument, "cross_entropy: label_smoothing " + std::to_string(label_smoothing) + " is outside [0, 1]");
  const ClassLossAttrs attrs{.reduction = op_reduction(reduction), .ignore_index = ignore_index, .axis = scores.rank() == 1 ? 0 : 1};
  if (label_smoothing == 0) return apply<op::SoftmaxCrossEntropyLoss>({scores, targets, weight}, attrs);
  if (weight || reduction == Reduction::Sum)
    throw Exception(Error::Unsupported, "cross_entropy: label_smoothing together with class weights or a sum");
  // (1 - s) of the loss by the target, s of the mean over all classes, where the target counts
  const Tensor log_p = log_softmax(scores, attrs.axis);
  const Tensor by_target = apply<op::NllLoss>({log_p, targets}, {.reduction = gf::Reduction::None, .ignore_index = ignore_index, .axis = attrs.axis});
  const Tensor ignored = apply<op::Equal>({targets, fixed_scalar(targets.dtype(), static_cast<double>(ignore_index))});
  const Tensor zero = fixed_scalar(scores.dtype(), 0), one = fixed_scalar(scores.dtype(), 1);
  const Tensor by_all = where(ignored, zero, -mean(log_p, {attrs.axis}));
  const Tensor each = by_target * (1 - label_smoothing) + by_all * label_smoothing;
  if (reduction == Reduction::None) return each;
  return sum(each) / sum(where(ignored, zero, expand(one, targets.shape())));
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
