// conv_weight_grad in f32 on the vector function, one or two spatial axes; operands as they are, or rounded to bfloat16.
#include "ops/cpu/simd/conv_grad.h"
#include "ops/cpu/simd/rounded.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv_weight_grad.h"

namespace gf::simd {
namespace {

template <bool kRounded>
ConvGradPlan plan_of(Isa isa, const op::ConvWeightGrad::Attrs& attrs, const Shape& x, const Shape& g) {
  const int last = x.rank - 3;  // one spatial axis: it is the width
  const auto window = [&](int d) {
    return window_of(attrs.window(), d, x[d + 1], g[d + 1], attrs.kernel[static_cast<size_t>(d)]);
  };
  const Window cols = window(last), rows = last == 1 ? window(0) : Window{};
  ConvGradShape s;
  s.batch = x[0];
  s.in_channels = x[x.rank - 1];
  s.out_channels = g[g.rank - 1];
  s.groups = attrs.groups;
  s.in_h = rows.in;
  s.in_w = cols.in;
  s.out_h = rows.out;
  s.out_w = cols.out;
  s.kernel_h = rows.kernel;
  s.kernel_w = cols.kernel;
  s.stride_h = rows.stride;
  s.stride_w = cols.stride;
  s.dilation_h = rows.dilation;
  s.dilation_w = cols.dilation;
  s.pad_top = rows.pad_begin;
  s.pad_left = cols.pad_begin;
  if constexpr (kRounded) {
    const RoundedOps ops = rounded_ops(isa);
    return conv_grad_plan(isa, s, &ops);
  } else {
    return conv_grad_plan(isa, s);
  }
}

template <bool kRounded>
Error prepare_grad(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (node.attributes<op::ConvWeightGrad::Attrs>().precision != (kRounded ? Precision::BF16 : Precision::Full))
    return plan.refuse(kRounded ? "its operands are not rounded" : kOperandsRounded);
  if (node.input(0).shape.rank > 4) return plan.refuse("more than two spatial axes");
  if (!node.is_static()) return plan.refuse("shapes are dynamic");
  plan.data_bytes = sizeof(ConvGradPlan);
  if (node.input(0).shape.count() == 0 || node.input(1).shape.count() == 0) return Error::Ok;
  const ConvGradPlan p =
      plan_of<kRounded>(node.isa, node.attributes<op::ConvWeightGrad::Attrs>(), node.input(0).shape, node.input(1).shape);
  plan.scratch_bytes = p.shared_bytes();
  plan.scratch_bytes_per_worker = p.worker_bytes();
  return Error::Ok;
}

template <bool kRounded>
Error init_grad(const NodeView& node, InitContext& context) {
  auto& plan = make_data<ConvGradPlan>(context);
  if (node.input(0).shape.count() != 0 && node.input(1).shape.count() != 0)
    plan = plan_of<kRounded>(node.isa, node.attributes<op::ConvWeightGrad::Attrs>(), node.input(0).shape, node.input(1).shape);
  return Error::Ok;
}

template <bool kRounded>
Error run_grad(RunContext& c) {
  TensorView& dw = c.output(0);
  if (c.input(0).count() == 0 || c.input(1).count() == 0) {
    std::memset(dw.data, 0, static_cast<size_t>(dw.count()) * sizeof(float));
    return Error::Ok;
  }
  const auto& plan = *static_cast<const ConvGradPlan*>(c.data);
  const auto sum = [&](const RoundedOps* ops) {
    conv_weight_grad(plan, c.input(0).as<const float>(), c.input(1).as<const float>(), dw.as<float>(), c.scratch, c.worker_scratch, c.scratch_bytes_per_worker, c.parallel, ops);
  };
  if constexpr (kRounded) {
    const RoundedOps ops = rounded_ops(plan.isa);
    sum(&ops);
  } else {
    sum(nullptr);
  }
  return Error::Ok;
}

}  // namespace

const Kernel conv_weight_grad_kernel{.op = op::ConvWeightGrad::info.id,
                                     .name = "conv_weight_grad_f32_simd",
                                     .rank = 20,
                                     .prepare = prepare_grad<false>,
                                     .init = init_grad<false>,
                                     .run = run_grad<false>};
const Kernel conv_weight_grad_rounded_kernel{.op = op::ConvWeightGrad::info.id,
                                             .name = "conv_weight_grad_bf16_operands_simd",
                                             .rank = 20,
                                             .prepare = prepare_grad<true>,
                                             .init = init_grad<true>,
                                             .run = run_grad<true>};

}  // namespace gf::simd
