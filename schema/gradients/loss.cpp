// Gradients of the losses on class indices. As in PyTorch the class weights have none.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

struct ClassLoss {
  Var hot;     // 1 at the target's class, shaped like the scores
  Var weight;  // what the target's -log p was multiplied with in the loss, times the loss's gradient dy; class axis of length 1
};

// For each target t: weight[t] (1 without weights), with Mean divided by their sum; 0 where ignored, even if all are.
ClassLoss class_loss(Formula& f, const ClassLossAttrs& a, Var scores, Var targets, Var weights, Var dy) {
  const DType type = f.dtype(scores);
  const int64_t axis = a.axis < 0 ? a.axis + f.rank(scores) : a.axis;
  Var target = f.cast(targets, DType::I64), ignored{};
  if (a.ignore_index != kNoIgnoreIndex) {
    ignored = f.equal(target, f.reshape(f.ints({a.ignore_index}), {}));
    target = f.where(ignored, f.reshape(f.ints({0}), {}), target);
  }
  Var weight = weights ? f.gather(weights, target, 0) : Var{};
  if (ignored) {
    const Var valid = f.cast(f.logical_not(ignored), type);
    weight = weight ? weight * valid : valid;
  }
  ClassLoss loss;
  const Var off_on = f.concat({f.reshape(f.scalar(type, 0), {1}), f.reshape(f.scalar(type, 1), {1})}, 0);
  const Dim classes = f.shape(scores)[static_cast<int>(axis)];
  const Var depth = classes.is_const() ? f.ints({classes.lo}) : f.size_of(scores, axis);
  loss.hot = f.node<OneHot>({target, depth, off_on}, {.axis = axis});
  loss.weight = weight ? dy * weight : dy;
  if (a.reduction == Reduction::Mean) {
    loss.weight = loss.weight / (weight ? f.reduce_sum(weight, {}, false) : f.cast(f.node<Size>({target}), type));
    if (ignored) loss.weight = f.where(ignored, f.scalar(type, 0), loss.weight);
  }
  if (f.rank(loss.weight) > 0) loss.weight = f.unsqueeze(loss.weight, {axis});
  return loss;
}

constexpr const char* kNoWeights = "class weights have no gradient (nor have they in PyTorch)";

}  // namespace

Error NllLoss::grad(D& d, const Attrs& a) {
  if (d.wants(2)) return d.fail(Error::Unsupported, kNoWeights);
  const ClassLoss loss = class_loss(d, a, d.input(0), d.input(1), d.input(2), d.dy());
  return d.give(0, -(loss.hot * loss.weight));
}

// The loss by an op of its own; output 1, log p, has the gradient of log_softmax.
Error SoftmaxCrossEntropyLoss::grad(D& d, const Attrs& a) {
  if (d.wants(2)) return d.fail(Error::Unsupported, kNoWeights);
  if (const Var of_log = d.output_gradient(1)) {
    const int64_t axes[] = {a.axis};
    (void)d.give(0, of_log - d.exp(d.output(1)) * d.reduce_sum(of_log, axes));
  }
  if (!d.dy()) return d.error();
  return d.give(0, d.node<CrossEntropyGrad>({d.input(0), d.input(1), d.dy(), d.input(2)}, a));
}

Error CrossEntropyGrad::formula(Expander& e, const Attrs& a) {
  const Var scores = e.input(0);
  const ClassLoss loss = class_loss(e, a, scores, e.input(1), e.input(3), e.input(2));
  return e.finish((e.softmax(scores, a.axis) - loss.hot) * loss.weight);
}

}  // namespace gf::op
