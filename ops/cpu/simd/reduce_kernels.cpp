// Reductions, arg_max and arg_min in f32 on the vector functions: one axis, or several that lie next to one another.
#include "ops/cpu/simd/reduce.h"

#include "ops/cpu/movement.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/arg_max.h"
#include "schema/ops/arg_min.h"
#include "schema/ops/reduce_l1.h"
#include "schema/ops/reduce_l2.h"
#include "schema/ops/reduce_log_sum.h"
#include "schema/ops/reduce_log_sum_exp.h"
#include "schema/ops/reduce_max.h"
#include "schema/ops/reduce_mean.h"
#include "schema/ops/reduce_min.h"
#include "schema/ops/reduce_prod.h"
#include "schema/ops/reduce_sum.h"
#include "schema/ops/reduce_sum_square.h"

namespace gf::simd {
namespace {

using cpu::AxisView;
using cpu::wrap_axis;

struct ReduceData {
  Isa isa = Isa::Portable;
  int first = 0, last = 0;  // axes [first, last) are folded
};

bool all_ones(const Shape& x, int from, int to) {
  for (int d = from; d < to; ++d)
    if (x[d] != 1) return false;
  return true;
}

// The axes as a range, which may take in axes of length 1 (`dynamic`: lengths are bounds, only a bound of 1 is sure).
// False when other axes lie between them or only the data tells them.
bool axis_range(const NodeView& node, ReduceData& out) {
  const auto& a = node.attributes<ReduceAttrs>();
  const Shape& x = node.input(0).shape;
  uint32_t mask = 0;
  if (node.has_input(1)) {
    const TensorInfo& axes = node.input(1);
    if (!axes.is_constant || axes.constant_data == nullptr) return false;
    const TensorView view{const_cast<void*>(axes.constant_data), axes.shape, axes.dtype};
    for (int64_t k = 0; k < axes.shape.count(); ++k) mask |= 1U << wrap_axis(cpu::load_one<int64_t>(view, k), x.rank);
  } else {
    for (const int64_t axis : a.axes) mask |= 1U << wrap_axis(axis, x.rank);
  }
  if (mask == 0) mask = a.none ? 0 : (1U << x.rank) - 1U;
  out.first = out.last = 0;
  bool any = false;
  for (int d = 0; d < x.rank; ++d) {
    if ((mask & (1U << d)) == 0) continue;
    if (any && !all_ones(x, out.last, d)) return false;
    if (!any) out.first = d;
    out.last = d + 1;
    any = true;
  }
  return true;
}

AxisView fold_view(const Shape& x, const ReduceData& data) {
  return {x.count(0, data.first), x.count(data.first, data.last), x.count(data.last, x.rank)};
}

template <ReduceKind kKind>
Error prepare_reduce(const NodeView& node, KernelPlan& plan) {
  if (node.input(0).dtype != DType::F32) return plan.refuse("element type is not float32");
  ReduceData data;
  if (!axis_range(node, data)) return plan.refuse("the axes do not lie next to one another");
  const AxisView v = fold_view(node.input(0).shape, data);
  plan.data_bytes = sizeof(ReduceData);
  plan.scratch_bytes = reduce_scratch_bytes(kKind, v.outer, v.length, v.inner);
  return Error::Ok;
}

Error init_reduce(const NodeView& node, InitContext& context) {
  auto& data = make_data<ReduceData>(context);
  axis_range(node, data);
  data.isa = node.isa;
  return Error::Ok;
}

template <ReduceKind kKind>
Error run_reduce(RunContext& c) {
  const auto& data = *static_cast<const ReduceData*>(c.data);
  const AxisView v = fold_view(c.input(0).shape, data);
  if (c.output(0).count() == 0) return Error::Ok;
  reduce_f32(data.isa, kKind, c.input(0).as<const float>(), c.output(0).as<float>(), v.outer, v.length, v.inner,
             c.scratch, c.parallel);
  return Error::Ok;
}

Error prepare_arg(const NodeView& node, KernelPlan& plan) {
  if (node.input(0).dtype != DType::F32) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}

Error init_arg(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

template <bool kGreatest>
Error run_arg(RunContext& c) {
  const auto& a = c.attributes<ArgReduceAttrs>();
  const Shape& x = c.input(0).shape;
  if (c.output(0).count() == 0) return Error::Ok;
  const AxisView v = x.rank == 0 ? AxisView{} : cpu::axis_view(x, wrap_axis(a.axis, x.rank));
  if (v.length == 0) return GF_FAIL(c.detail, Error::BadData, c.node, "the axis has no elements to choose from");
  arg_reduce_f32(*static_cast<const Isa*>(c.data), kGreatest, a.select_last_index, c.input(0).as<const float>(),
                 c.output(0).as<int64_t>(), v.outer, v.length, v.inner, c.parallel);
  return Error::Ok;
}

}  // namespace

#define GF_REDUCE(word, Op, kind)                                         \
  const Kernel word##_kernel{.op = op::Op::info.id,                       \
                             .name = #word "_f32_simd",                   \
                             .rank = 20,                                  \
                             .prepare = prepare_reduce<ReduceKind::kind>, \
                             .init = init_reduce,                         \
                             .run = run_reduce<ReduceKind::kind>};
GF_REDUCE(reduce_sum, ReduceSum, Sum)
GF_REDUCE(reduce_mean, ReduceMean, Mean)
GF_REDUCE(reduce_max, ReduceMax, Max)
GF_REDUCE(reduce_min, ReduceMin, Min)
GF_REDUCE(reduce_prod, ReduceProd, Prod)
GF_REDUCE(reduce_sum_square, ReduceSumSquare, SumSquare)
GF_REDUCE(reduce_l1, ReduceL1, L1)
GF_REDUCE(reduce_l2, ReduceL2, L2)
GF_REDUCE(reduce_log_sum, ReduceLogSum, LogSum)
GF_REDUCE(reduce_log_sum_exp, ReduceLogSumExp, LogSumExp)
#undef GF_REDUCE
const Kernel arg_max_kernel{.op = op::ArgMax::info.id,
                            .name = "arg_max_f32_simd",
                            .rank = 20,
                            .prepare = prepare_arg,
                            .init = init_arg,
                            .run = run_arg<true>};
const Kernel arg_min_kernel{.op = op::ArgMin::info.id,
                            .name = "arg_min_f32_simd",
                            .rank = 20,
                            .prepare = prepare_arg,
                            .init = init_arg,
                            .run = run_arg<false>};

}  // namespace gf::simd
