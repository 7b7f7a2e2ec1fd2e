// softmax_cross_entropy_loss and its gradient in f32 on the vector functions. Lines are summed in f64 in a fixed order on one thread.
#include <cmath>

#include "ops/cpu/class_loss.h"
#include "ops/cpu/simd/softmax.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/cross_entropy_grad.h"
#include "schema/ops/softmax_cross_entropy_loss.h"

namespace gf::simd {
namespace {

using cpu::AxisView;
using cpu::ClassTargets;

/// Scratch: `per_line` floats for each line.
Error prepare_lines(const NodeView& node, KernelPlan& plan, uint64_t per_line) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes = per_line * sizeof(float) * static_cast<uint64_t>(node.input(1).shape.count());
  return Error::Ok;
}

Error init_isa(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

Error prepare_loss(const NodeView& node, KernelPlan& plan) { return prepare_lines(node, plan, 2); }

Error run_loss(RunContext& c) {
  const Reduction reduction = c.attributes<ClassLossAttrs>().reduction;
  const Isa isa = *static_cast<const Isa*>(c.data);
  const ClassTargets targets(c, 2);
  const AxisView& v = targets.view();
  GF_TRY(targets.check(c));
  const auto* x = c.input(0).as<const float>();
  auto* loss = c.output(0).as<float>();
  float *log_prob = nullptr, *max = static_cast<float*>(c.scratch), *sum = max + targets.lines();
  if (c.has_output(1)) {
    log_prob = c.output(1).as<float>();
    log_softmax_f32(isa, x, log_prob, v.outer, v.length, v.inner, c.parallel);
  } else {
    softmax_sums_f32(isa, x, max, sum, v.outer, v.length, v.inner, c.parallel);
  }
  double total = 0;
  for (int64_t line = 0; line < targets.lines(); ++line) {
    double value = 0;
    if (!targets.ignored(line)) {
      const int64_t at = targets.base(line) + targets[line] * v.inner;
      const double surprise = log_prob != nullptr
                                  ? -static_cast<double>(log_prob[at])
                                  : std::log(static_cast<double>(sum[line])) + (static_cast<double>(max[line]) - static_cast<double>(x[at]));
      value = targets.weight(line) * surprise;
    }
    total += value;
    if (reduction == Reduction::None) loss[line] = static_cast<float>(value);
  }
  if (reduction == Reduction::Sum) loss[0] = static_cast<float>(total);
  if (reduction == Reduction::Mean) loss[0] = static_cast<float>(total / targets.total());
  return Error::Ok;
}

Error prepare_grad(const NodeView& node, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return prepare_lines(node, plan, 1);
}

Error run_grad(RunContext& c) {
  const Reduction reduction = c.attributes<ClassLossAttrs>().reduction;
  const ClassTargets targets(c, 3);
  const AxisView& v = targets.view();
  GF_TRY(targets.check(c));
  const auto* dloss = c.input(2).as<const float>();
  auto *dx = c.output(0).as<float>(), *factors = static_cast<float*>(c.scratch);
  const double total = reduction == Reduction::Mean ? targets.total() : 1.0;
  for (int64_t line = 0; line < targets.lines(); ++line) {
    const double scale = static_cast<double>(dloss[reduction == Reduction::None ? line : 0]) * targets.weight(line) / total;
    factors[line] = targets.ignored(line) ? 0.0F : static_cast<float>(scale);
  }
  scaled_softmax_f32(*static_cast<const Isa*>(c.data), c.input(0).as<const float>(), factors, dx, v.outer, v.length, v.inner, c.parallel);
  for (int64_t line = 0; line < targets.lines(); ++line)
    if (!targets.ignored(line)) dx[targets.base(line) + targets[line] * v.inner] -= factors[line];
  return Error::Ok;
}

}  // namespace

const Kernel cross_entropy_grad_kernel{.op = op::CrossEntropyGrad::info.id,
                                       .name = "cross_entropy_grad_f32_simd",
                                       .rank = 20,
                                       .prepare = prepare_grad,
                                       .init = init_isa,
                                       .run = run_grad};
const Kernel softmax_cross_entropy_loss_kernel{.op = op::SoftmaxCrossEntropyLoss::info.id,
                                               .name = "softmax_cross_entropy_loss_f32_simd",
                                               .rank = 20,
                                               .prepare = prepare_loss,
                                               .init = init_isa,
                                               .run = run_loss};

}  // namespace gf::simd
