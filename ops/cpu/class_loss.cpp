// Losses on class indices: nll_loss and softmax_cross_entropy_loss. Sums run in f64 in a fixed order on one thread (the
// log-probabilities are computed in parallel). A target outside the classes is found before anything is summed.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "schema/ops/nll_loss.h"
#include "schema/ops/softmax_cross_entropy_loss.h"

namespace gf::cpu {
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
  const auto& a = context.attributes<ClassLossAttrs>();
  const TensorView& x = context.input(0);
  const TensorView& targets = context.input(1);
  const TensorView& loss = context.output(0);
  const AxisView v = axis_view(x.shape, wrap_axis(a.axis, x.shape.rank));
  const int64_t lines = v.outer * v.inner;
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t target = load_one<int64_t>(targets, line);
    if (target != a.ignore_index && (target < 0 || target >= v.length))
      return GF_FAIL(context.detail, Error::IndexOutOfRange, context.node, "target %lld at position %lld; there are %lld classes",
                     static_cast<long long>(target), static_cast<long long>(line), static_cast<long long>(v.length));
  }
  const auto base_of = [&](int64_t line) { return line / v.inner * v.length * v.inner + line % v.inner; };
  if (kSoftmax && context.has_output(1)) {
    const TensorView& log_prob = context.output(1);
    context.parallel.chunks(lines, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t base = base_of(line);
        const double shift = log_sum_exp(x, v, base);
        for (int64_t k = 0; k < v.length; ++k)
          store_one(log_prob, base + k * v.inner, read(x, base + k * v.inner) - shift);
      }
    });
  }
  double total = 0, weights = 0;
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t target = load_one<int64_t>(targets, line);
    double value = 0;
    if (target != a.ignore_index) {
      const int64_t base = base_of(line);
      const double weight = context.has_input(2) ? read(context.input(2), target) : 1.0;
      const double shift = kSoftmax ? log_sum_exp(x, v, base) : 0.0;
      value = -weight * (read(x, base + target * v.inner) - shift);
      weights += weight;
    }
    total += value;
    if (a.reduction == Reduction::None) store_one(loss, line, value);
  }
  if (a.reduction == Reduction::Sum) store_one(loss, 0, total);
  if (a.reduction == Reduction::Mean) store_one(loss, 0, total / weights);
  return Error::Ok;
}

}  // namespace

extern const Kernel nll_loss_kernel;
extern const Kernel softmax_cross_entropy_loss_kernel;
const Kernel nll_loss_kernel{
    .op = op::NllLoss::info.id, .name = "nll_loss_portable", .rank = 1, .prepare = prepare_any, .run = run<false>};
const Kernel softmax_cross_entropy_loss_kernel{.op = op::SoftmaxCrossEntropyLoss::info.id,
                                               .name = "softmax_cross_entropy_loss_portable", .rank = 1,
                                               .prepare = prepare_any, .run = run<true>};

}  // namespace gf::cpu
