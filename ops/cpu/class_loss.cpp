// Losses on class indices: nll_loss, softmax_cross_entropy_loss and its gradient. Sums run in f64 in a fixed order on one thread (the
// log-probabilities and gradients are computed in parallel). A target outside the classes is found before anything is summed.
#include "ops/cpu/class_loss.h"

#include <cmath>

#include "schema/ops/cross_entropy_grad.h"
#include "schema/ops/nll_loss.h"
#include "schema/ops/softmax_cross_entropy_loss.h"

namespace gf::cpu {

ClassTargets::ClassTargets(const RunContext& c, int weights)
    : attrs_(c.attributes<ClassLossAttrs>()),
      view_(axis_view(c.input(0).shape, wrap_axis(attrs_.axis, c.input(0).shape.rank))),
      wide_(c.input(1).dtype == DType::I64 ? c.input(1).as<const int64_t>() : nullptr),
      narrow_(c.input(1).as<const int32_t>()),
      weights_(c.has_input(weights) ? &c.input(weights) : nullptr) {}

double ClassTargets::total() const {
  double sum = 0;
  for (int64_t line = 0; line < lines(); ++line) sum += weight(line);
  return sum;
}

Error ClassTargets::check(const RunContext& c) const {
  for (int64_t line = 0; line < lines(); ++line) {
    const int64_t target = (*this)[line];
    if (target != attrs_.ignore_index && (target < 0 || target >= view_.length))
      return GF_FAIL(c.detail, Error::IndexOutOfRange, c.node, "target %lld at position %lld; there are %lld classes",
                     static_cast<long long>(target), static_cast<long long>(line), static_cast<long long>(view_.length));
  }
  return Error::Ok;
}

namespace {

double read(const TensorView& t, int64_t index) { return load_one<double>(t, index); }

// ln(sum(exp(scores))) of the line at `base`.
double log_sum_exp(const TensorView& x, const AxisView& v, int64_t base) {
  double peak = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t k = 0; k < v.length; ++k) {
    const double value = read(x, base + k * v.inner);
    if (value > peak || value != value) peak = value;
  }
  for (int64_t k = 0; k < v.length; ++k) sum += std::exp(read(x, base + k * v.inner) - peak);
  return peak + std::log(sum);
}

// kSoftmax: the scores are not log-probabilities yet.
template <bool kSoftmax>
Error run(RunContext& context) {
  const Reduction reduction = context.attributes<ClassLossAttrs>().reduction;
  const TensorView& x = context.input(0);
  const TensorView& loss = context.output(0);
  const ClassTargets targets(context, 2);
  const AxisView& v = targets.view();
  GF_TRY(targets.check(context));
  if (kSoftmax && context.has_output(1)) {
    const TensorView& log_prob = context.output(1);
    context.parallel.chunks(targets.lines(), row_grain(v.length), [&](int64_t begin, int64_t end, int) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t base = targets.base(line);
        const double shift = log_sum_exp(x, v, base);
        for (int64_t k = 0; k < v.length; ++k)
          store_one(log_prob, base + k * v.inner, read(x, base + k * v.inner) - shift);
      }
    });
  }
  double total = 0;
  for (int64_t line = 0; line < targets.lines(); ++line) {
    double value = 0;
    if (!targets.ignored(line)) {
      const int64_t base = targets.base(line);
      const double shift = kSoftmax ? log_sum_exp(x, v, base) : 0.0;
      value = -targets.weight(line) * (read(x, base + targets[line] * v.inner) - shift);
    }
    total += value;
    if (reduction == Reduction::None) store_one(loss, line, value);
  }
  if (reduction == Reduction::Sum) store_one(loss, 0, total);
  if (reduction == Reduction::Mean) store_one(loss, 0, total / targets.total());
  return Error::Ok;
}

Error prepare_grad(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error run_grad(RunContext& context) {
  const Reduction reduction = context.attributes<ClassLossAttrs>().reduction;
  const TensorView &x = context.input(0), &dloss = context.input(2), &dx = context.output(0);
  const ClassTargets targets(context, 3);
  const AxisView& v = targets.view();
  GF_TRY(targets.check(context));
  const double total = reduction == Reduction::Mean ? targets.total() : 1.0;
  context.parallel.chunks(targets.lines(), row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t base = targets.base(line);
      const double shift = log_sum_exp(x, v, base);
      const double scale = read(dloss, reduction == Reduction::None ? line : 0) * targets.weight(line) / total;
      const double factor = targets.ignored(line) ? 0.0 : scale;
      for (int64_t k = 0; k < v.length; ++k) {
        const double p = std::exp(read(x, base + k * v.inner) - shift);
        store_one(dx, base + k * v.inner, (k == targets[line] ? p - 1 : p) * factor);
      }
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel cross_entropy_grad_kernel;
extern const Kernel nll_loss_kernel;
extern const Kernel softmax_cross_entropy_loss_kernel;
const Kernel cross_entropy_grad_kernel{.op = op::CrossEntropyGrad::info.id,
                                       .name = "cross_entropy_grad_portable",
                                       .rank = 1,
                                       .prepare = prepare_grad,
                                       .run = run_grad};
const Kernel nll_loss_kernel{
    .op = op::NllLoss::info.id, .name = "nll_loss_portable", .rank = 1, .prepare = prepare_any, .run = run<false>};
const Kernel softmax_cross_entropy_loss_kernel{.op = op::SoftmaxCrossEntropyLoss::info.id,
                                               .name = "softmax_cross_entropy_loss_portable", .rank = 1,
                                               .prepare = prepare_any, .run = run<true>};

}  // namespace gf::cpu
