// conv and conv_transpose from operands rounded to bfloat16 (Precision::BF16): up to three spatial axes.
#include "ops/cpu/simd/conv_node.h"
#include "ops/cpu/simd/conv_rounded.h"

namespace gf::simd {
namespace {

struct RoundedConvData {
  Isa isa = Isa::Portable;
  bool is_static = false;
  RoundedConvPlan plan;  // when static
};

template <bool kTransposed>
Error plan_rounded(const NodeView& node, RoundedConvPlan& plan) {
  const auto& attrs = node.attributes<ConvNodeAttrs<kTransposed>>();
  return rounded_conv_plan(node.isa, kTransposed, conv_shape_of<kTransposed>(attrs, node.input(0).shape, node.input(1).shape, node.output(0).shape), plan);
}

template <bool kTransposed>
Error prepare(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<ConvNodeAttrs<kTransposed>>(node, plan));
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (precision_of(node) != Precision::BF16) return plan.refuse("its operands are not rounded");
  if (node.input(0).shape.rank > 5) return plan.refuse("more than three spatial axes");
  RoundedConvPlan p;
  if (plan_rounded<kTransposed>(node, p) != Error::Ok) return plan.refuse("sizes outside the range of the vector form");
  plan.data_bytes = sizeof(RoundedConvData);
  // smaller shapes round fewer pixels and have no more phases, but a product of theirs may be cut otherwise
  plan.scratch_bytes = node.is_static() ? p.scratch_bytes(node.threads) : p.image_bytes + p.packed_bytes + gemm_scratch_bound(node.isa, node.threads);
  if (node.has_input(3)) plan.inplace_inputs = 1U << 3;
  return Error::Ok;
}

template <bool kTransposed>
Error init(const NodeView& node, InitContext& context) {
  auto& data = make_data<RoundedConvData>(context);
  data.isa = node.isa;
  data.is_static = node.is_static();
  return data.is_static ? plan_rounded<kTransposed>(node, data.plan) : Error::Ok;
}

template <bool kTransposed>
Error run(RunContext& c) {
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const auto& data = *static_cast<const RoundedConvData*>(c.data);
  const auto& attrs = c.attributes<ConvNodeAttrs<kTransposed>>();
  RoundedConvPlan now;
  if (!data.is_static)
    GF_TRY(rounded_conv_plan(data.isa, kTransposed, conv_shape_of<kTransposed>(attrs, c.input(0).shape, c.input(1).shape, y.shape), now));
  Epilogue epilogue;
  epilogue.bias = optional_f32(c, 2);
  epilogue.residual = optional_f32(c, 3);
  epilogue.activation = activation_of(attrs);
  conv_rounded(data.is_static ? data.plan : now, c.input(0).as<const float>(), c.input(1).as<const float>(), y.as<float>(), epilogue, c.scratch,
               c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel conv_rounded_kernel{.op = op::Conv::info.id,
                                 .name = "conv_bf16_operands_simd",
                                 .rank = 20,
                                 .prepare = prepare<false>,
                                 .init = init<false>,
                                 .run = run<false>};
const Kernel conv_transpose_rounded_kernel{.op = op::ConvTranspose::info.id,
                                           .name = "conv_transpose_bf16_operands_simd",
                                           .rank = 20,
                                           .prepare = prepare<true>,
                                           .init = init<true>,
                                           .run = run<true>};

}  // namespace gf::simd
