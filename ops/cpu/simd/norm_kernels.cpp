// Softmax and normalisations in f32 on the vector functions. All of them may work in place.
#include "ops/cpu/simd/norm.h"

#include "ops/cpu/simd/batch_norm.h"
#include "ops/cpu/simd/norm_grad.h"
#include "ops/cpu/simd/softmax.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/batch_norm_grad.h"
#include "schema/ops/group_norm.h"
#include "schema/ops/instance_norm.h"
#include "schema/ops/layer_norm.h"
#include "schema/ops/layer_norm_grad.h"
#include "schema/ops/log_softmax.h"
#include "schema/ops/lp_normalization.h"
#include "schema/ops/rms_norm.h"
#include "schema/ops/softmax.h"

namespace gf::simd {
namespace {

using cpu::axis_view;
using cpu::AxisView;
using cpu::wrap_axis;

Error prepare_plain(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(Isa);
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error init_isa(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

Isa isa_of(const RunContext& c) { return *static_cast<const Isa*>(c.data); }

// --- along one axis

AxisView view(const RunContext& c, int64_t axis) {
  const Shape& x = c.input(0).shape;
  return x.rank == 0 ? AxisView{} : axis_view(x, wrap_axis(axis, x.rank));
}

template <class Op, auto kFunction>
Error run_axis(RunContext& c) {
  const AxisView v = view(c, c.attributes<typename Op::Attrs>().axis);
  if (c.output(0).count() == 0) return Error::Ok;
  kFunction(isa_of(c), c.input(0).as<const float>(), c.output(0).as<float>(), v.outer, v.length, v.inner, c.parallel);
  return Error::Ok;
}

Error prepare_lp(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_plain(node, plan));
  const Shape& x = node.input(0).shape;
  const AxisView v = axis_view(x, wrap_axis(node.attributes<op::LpNormalization::Attrs>().axis, x.rank));
  plan.scratch_bytes = lp_normalize_scratch_bytes(v.outer, v.length, v.inner);
  return Error::Ok;
}

Error run_lp(RunContext& c) {
  const auto& attrs = c.attributes<op::LpNormalization::Attrs>();
  const AxisView v = view(c, attrs.axis);
  if (c.output(0).count() == 0) return Error::Ok;
  lp_normalize_f32(isa_of(c), static_cast<int>(attrs.p), c.input(0).as<const float>(), c.output(0).as<float>(), v.outer,
                   v.length, v.inner, 0.0f, c.scratch, c.parallel);
  return Error::Ok;
}

// --- rows

template <class Op>
Error prepare_rows(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_plain(node, plan));
  const Shape& x = node.input(0).shape;
  const int axis = wrap_axis(node.attributes<typename Op::Attrs>().axis, x.rank);
  const int64_t cols = x.count(axis, x.rank);
  for (int i = 1; i < 3; ++i)
    if (node.has_input(i) && node.input(i).shape.count() != cols)
      return plan.refuse("one scale or bias for all elements");
  return Error::Ok;
}

template <class Op, bool kCentred>
Error run_rows(RunContext& c) {
  const auto& attrs = c.attributes<typename Op::Attrs>();
  const Shape& x = c.input(0).shape;
  if (c.output(0).count() == 0 && !c.has_output(1)) return Error::Ok;
  const int axis = wrap_axis(attrs.axis, x.rank);
  RowNorm n;
  n.in = c.input(0).as<const float>();
  n.gamma = optional_f32(c, 1);
  n.beta = optional_f32(c, 2);
  n.out = c.output(0).as<float>();
  n.rows = x.count(0, axis);
  n.cols = x.count(axis, x.rank);
  n.epsilon = attrs.epsilon;
  if constexpr (kCentred) {
    n.mean = c.has_output(1) ? c.output(1).as<float>() : nullptr;
    n.inv_std = c.has_output(2) ? c.output(2).as<float>() : nullptr;
    layer_norm_f32(isa_of(c), n, c.parallel);
  } else {
    n.inv_std = c.has_output(1) ? c.output(1).as<float>() : nullptr;
    rms_norm_f32(isa_of(c), n, c.parallel);
  }
  return Error::Ok;
}

// --- channels

int64_t rows_of(const Shape& x) { return x.count(0, x.rank - 1); }

Error prepare_batch_norm(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_plain(node, plan));
  const int64_t channels = node.input(1).shape.count();
  plan.scratch_bytes = sizeof(float) * static_cast<uint64_t>(channels);
  if (node.has_input(3)) return Error::Ok;
  plan.scratch_bytes *= 3;
  plan.scratch_bytes += batch_statistics_scratch_bytes(rows_of(node.input(0).shape), channels);
  return Error::Ok;
}

Error run_batch_norm(RunContext& c) {
  const auto& attrs = c.attributes<op::BatchNorm::Attrs>();
  BatchNormArgs n;
  n.in = c.input(0).as<const float>();
  n.bias = c.input(2).as<const float>();
  n.activation = activation_of(attrs);
  n.out = c.output(0).as<float>();
  n.rows = rows_of(c.input(0).shape);
  n.channels = c.input(1).count();
  auto* scale = static_cast<float*>(c.scratch);
  const float* variance = optional_f32(c, 4);
  n.mean = optional_f32(c, 3);
  if (n.mean == nullptr) {
    float* own_mean = c.has_output(1) ? c.output(1).as<float>() : scale + n.channels;
    float* own_variance = c.has_output(2) ? c.output(2).as<float>() : scale + 2 * n.channels;
    batch_statistics_f32(isa_of(c), n.in, n.rows, n.channels, own_mean, own_variance, scale + 3 * n.channels, c.parallel);
    n.mean = own_mean;
    variance = own_variance;
  }
  batch_norm_scale(c.input(1).as<const float>(), variance, attrs.epsilon, n.channels, scale);
  n.scale = scale;
  batch_norm_f32(isa_of(c), n, c.parallel);
  return Error::Ok;
}

Error prepare_batch_norm_grad(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(Isa);
  plan.inplace_inputs = 1U | 1U << 4;
  plan.scratch_bytes = batch_norm_grad_scratch_bytes(rows_of(node.input(0).shape), node.input(1).shape.count());
  return Error::Ok;
}

Error run_batch_norm_grad(RunContext& c) {
  const auto& attrs = c.attributes<op::BatchNormGrad::Attrs>();
  BatchNormGradArgs g;
  g.x = c.input(0).as<const float>();
  g.gamma = c.input(1).as<const float>();
  g.mean = c.input(2).as<const float>();
  g.variance = c.input(3).as<const float>();
  g.dy = c.input(4).as<const float>();
  g.beta = optional_f32(c, 5);
  g.epsilon = attrs.epsilon;
  g.activation = activation_of(attrs);
  g.dx = c.output(0).as<float>();
  g.dgamma = c.has_output(1) ? c.output(1).as<float>() : nullptr;
  g.dbeta = c.has_output(2) ? c.output(2).as<float>() : nullptr;
  g.rows = rows_of(c.input(0).shape);
  g.channels = c.input(1).count();
  batch_norm_grad_f32(isa_of(c), g, c.scratch, c.parallel);
  return Error::Ok;
}

Error prepare_groups(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_plain(node, plan));
  if (node.has_output(1) || node.has_output(2)) return plan.refuse("the statistics are wanted");
  const Shape& x = node.input(0).shape;
  plan.scratch_bytes = group_norm_scratch_bytes(x[0], x.count(1, x.rank - 1), x[x.rank - 1]);
  return Error::Ok;
}

Error run_groups(RunContext& c, int64_t groups, float epsilon) {
  const Shape& x = c.input(0).shape;
  if (c.output(0).count() == 0) return Error::Ok;
  group_norm_f32(isa_of(c), c.input(0).as<const float>(), optional_f32(c, 1), optional_f32(c, 2),
                 c.output(0).as<float>(), x[0], x.count(1, x.rank - 1), x[x.rank - 1], groups, epsilon, c.scratch,
                 c.parallel);
  return Error::Ok;
}
Error run_group_norm(RunContext& c) {
  const auto& attrs = c.attributes<op::GroupNorm::Attrs>();
  return run_groups(c, attrs.num_groups, attrs.epsilon);
}
Error run_instance_norm(RunContext& c) {
  const Shape& x = c.input(0).shape;
  return run_groups(c, x[x.rank - 1], c.attributes<op::InstanceNorm::Attrs>().epsilon);
}

// --- gradients of rows

Error prepare_row_grad(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(Isa);
  plan.inplace_inputs = 1U | 1U << 3;
  plan.scratch_bytes = row_norm_grad_scratch_bytes(node.input(1).shape.count());
  return Error::Ok;
}

Error run_row_grad(RunContext& c) {
  RowNormGrad g;
  g.x = c.input(0).as<const float>();
  g.gamma = c.input(1).as<const float>();
  g.inverse = c.input(2).as<const float>();
  g.dy = c.input(3).as<const float>();
  g.mean = optional_f32(c, 4);
  g.dx = c.output(0).as<float>();
  g.dgamma = c.has_output(1) ? c.output(1).as<float>() : nullptr;
  g.dbeta = c.has_output(2) ? c.output(2).as<float>() : nullptr;
  g.rows = c.input(2).count();
  g.cols = c.input(1).count();
  row_norm_grad_f32(isa_of(c), g, c.scratch, c.parallel);
  return Error::Ok;
}

}  // namespace

#define GF_NORM(word, Op, prepare_function, run_function) \
  const Kernel word##_kernel{.op = op::Op::info.id,       \
                             .name = #word "_f32_simd",   \
                             .rank = 20,                  \
                             .prepare = prepare_function, \
                             .init = init_isa,            \
                             .run = run_function};
GF_NORM(softmax, Softmax, prepare_plain, (run_axis<op::Softmax, softmax_f32>))
GF_NORM(log_softmax, LogSoftmax, prepare_plain, (run_axis<op::LogSoftmax, log_softmax_f32>))
GF_NORM(lp_normalization, LpNormalization, prepare_lp, run_lp)
GF_NORM(layer_norm, LayerNorm, prepare_rows<op::LayerNorm>, (run_rows<op::LayerNorm, true>))
GF_NORM(layer_norm_grad, LayerNormGrad, prepare_row_grad, run_row_grad)
GF_NORM(rms_norm, RmsNorm, prepare_rows<op::RmsNorm>, (run_rows<op::RmsNorm, false>))
GF_NORM(batch_norm, BatchNorm, prepare_batch_norm, run_batch_norm)
GF_NORM(batch_norm_grad, BatchNormGrad, prepare_batch_norm_grad, run_batch_norm_grad)
GF_NORM(group_norm, GroupNorm, prepare_groups, run_group_norm)
GF_NORM(instance_norm, InstanceNorm, prepare_groups, run_instance_norm)
#undef GF_NORM

}  // namespace gf::simd
