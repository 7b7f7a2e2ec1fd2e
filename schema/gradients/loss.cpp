// Gradients of the losses on class indices. As in PyTorch the class weights have none.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

struct ClassLoss {
  Var hot;     // 1 at the target's class, shaped like the scores
  Var weight;  // what the target's -log p was multiplied with in the loss, times the loss's gradient; class axis of length 1
};

// For each target t: weight[t] (1 without weights), 0 where ignored; with Mean divided by their sum.
ClassLoss class_loss(D& d, const ClassLossAttrs& a) {
  const Var scores = d.input(0), dy = d.dy();
  const DType type = d.dtype(scores);
  const int rank = d.rank(scores);
  const int64_t axis = a.axis < 0 ? a.axis + rank : a.axis;
  Var target = d.cast(d.input(1), DType::I64), valid{};
  if (a.ignore_index != kNoIgnoreIndex) {
    const Var ignored = d.equal(target, d.reshape(d.ints({a.ignore_index}), {}));
    target = d.where(ignored, d.reshape(d.ints({0}), {}), target);
    valid = d.numbers(d.logical_not(ignored), type);
  }
  Var weight = d.input(2) ? d.gather(d.input(2), target, 0) : Var{};
  if (valid) weight = weight ? weight * valid : valid;
  ClassLoss loss;
  const Var off_on = d.concat({d.reshape(d.scalar(type, 0), {1}), d.reshape(d.scalar(type, 1), {1})}, 0);
  loss.hot = d.node<OneHot>({target, d.length(scores, static_cast<int>(axis)), off_on}, {.axis = axis});
  loss.weight = weight ? dy * weight : dy;
  if (a.reduction == Reduction::Mean)
    loss.weight = loss.weight / (weight ? d.reduce_sum(weight, {}, false) : d.cast(d.reshape(d.size(target), {}), type));
  if (d.rank(loss.weight) > 0) loss.weight = d.unsqueeze(loss.weight, {axis});
  return loss;
}

constexpr const char* kNoWeights = "class weights have no gradient (nor have they in PyTorch)";

}  // namespace

Error NllLoss::grad(D& d, const Attrs& a) {
  if (d.wants(2)) return d.fail(Error::Unsupported, kNoWeights);
  const ClassLoss loss = class_loss(d, a);
  return d.give(0, -(loss.hot * loss.weight));
}

// p - hot, p = softmax of the scores; output 1, log p, has the gradient of log_softmax
Error SoftmaxCrossEntropyLoss::grad(D& d, const Attrs& a) {
  if (d.wants(2)) return d.fail(Error::Unsupported, kNoWeights);
  const Var p = d.exp(d.output(1)), of_log = d.output_gradient(1);
  if (of_log) {
    const int64_t axes[] = {a.axis};
    (void)d.give(0, of_log - p * d.reduce_sum(of_log, axes));
  }
  if (!d.dy()) return d.error();
  const ClassLoss loss = class_loss(d, a);
  return d.give(0, (p - loss.hot) * loss.weight);
}

}  // namespace gf::op
