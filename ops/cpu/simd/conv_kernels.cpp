// conv and conv_transpose in f32: implicit matrix products on packed weights, and depthwise convolution where every
// group is one channel. Constant weights are packed once; others (of a net in training, or computed) in every run. Up to three
// spatial axes.
#include "ops/cpu/simd/conv_node.h"
#include "ops/cpu/simd/depthwise.h"
#include "ops/cpu/simd/wrap.h"

namespace gf::simd {
namespace {

struct DepthwiseData {
  Isa isa = Isa::Portable;
  bool packs_in_run = false;
};

struct ConvData {
  Isa isa = Isa::Portable;
  bool is_static = false;
  bool packs_in_run = false;
  ConvPlan plan;  // when static
};

template <class Attrs>
Error check_conv(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<Attrs>(node, plan));
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (precision_of(node) != Precision::Full) return plan.refuse(kOperandsRounded);
  if (node.input(0).shape.rank > 5) return plan.refuse("more than three spatial axes");
  return Error::Ok;
}

// Packed data depends on the isa, the groups and (transposed) on everything that cuts the kernel into phases.
uint64_t conv_key(const NodeView& node, const ConvPlan& p) {
  PackKey key(node.def->info.id, node.isa);
  key.add(p.shape.groups);
  if (p.transposed)
    for (int d = 0; d < 3; ++d)
      key.add(p.shape.stride[d])
          .add(p.shape.dilation[d])
          .add(p.shape.pad_begin[d])
          .add(p.out[d] < p.shape.stride[d] ? p.out[d] : 0);
  return key.value();
}

template <bool kTransposed>
Error pack_weights(const NodeView& node, void* destination) {
  ConvPlan plan;
  GF_TRY(plan_of<kTransposed>(node, plan));
  conv_pack(plan, {node.input(1).constant_data, DType::F32, WeightLayout::Oihw}, destination);
  return Error::Ok;
}

/// Weights that are packed in every run lie in front of the scratch of the product.
uint64_t aligned_packed_bytes(const ConvPlan& p) { return (p.packed_bytes + kGemmAlignment - 1) / kGemmAlignment * kGemmAlignment; }

template <bool kTransposed>
Error prepare_product(const NodeView& node, KernelPlan& plan) {
  GF_TRY(check_conv<ConvNodeAttrs<kTransposed>>(node, plan));
  if constexpr (kTransposed) {
    // the phases that weights are packed for must be the same for every size: as many as the stride, with fixed pads
    const auto& a = node.attributes<op::ConvTranspose::Attrs>();
    const WindowAttrs window = a.window();
    bool fixed = a.auto_pad == AutoPad::NotSet && a.output_shape.empty();
    for (int d = 0; d + 2 < node.input(0).shape.rank; ++d) {
      const int64_t reach = window.dilation(d) * (node.input(1).shape[d + 2] - 1) + 1;
      fixed = fixed && reach + a.extra(d) - window.pad_begin(d) - window.pad_end(d) >= window.stride(d);
    }
    if (!node.is_static() && !fixed) return plan.refuse("the phases of the kernel depend on a dynamic image size");
  }
  ConvPlan p;
  if (plan_of<kTransposed>(node, p) != Error::Ok) return plan.refuse("sizes outside the range of the vector form");
  plan.data_bytes = sizeof(ConvData);
  plan.scratch_bytes = node.is_static() ? p.scratch_bytes(node.threads) : gemm_scratch_bound(node.isa, node.threads);
  if (node.input(1).is_constant) plan.request_pack(1, conv_key(node, p), p.packed_bytes, pack_weights<kTransposed>);
  else plan.scratch_bytes += aligned_packed_bytes(p);
  if (node.has_input(3)) plan.inplace_inputs = 1U << 3;
  return Error::Ok;
}

template <bool kTransposed>
Error init_product(const NodeView& node, InitContext& context) {
  auto& data = make_data<ConvData>(context);
  data.isa = node.isa;
  data.is_static = node.is_static();
  data.packs_in_run = !node.input(1).is_constant;
  return data.is_static ? plan_of<kTransposed>(node, data.plan) : Error::Ok;
}

template <bool kTransposed>
Error run_product(RunContext& c) {
  const auto& data = *static_cast<const ConvData*>(c.data);
  const Shape &x = c.input(0).shape, &w = c.input(1).shape;
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  using Attrs = std::conditional_t<kTransposed, op::ConvTranspose::Attrs, op::Conv::Attrs>;
  const auto& attrs = c.attributes<Attrs>();
  ConvPlan now;
  if (!data.is_static) {
    if constexpr (kTransposed)
      GF_TRY(conv_transpose_plan(data.isa, conv_transpose_shape(attrs, x, w, y.shape), now));
    else
      GF_TRY(conv_plan(data.isa, conv_shape(attrs, x, w, y.shape), now));
  }
  const ConvPlan& plan = data.is_static ? data.plan : now;
  auto* scratch = static_cast<std::byte*>(c.scratch);
  ConvArgs args;
  args.input = c.input(0).as<const float>();
  if (data.packs_in_run) {
    conv_pack(plan, {c.input(1).data, DType::F32, WeightLayout::Oihw}, scratch);
    args.packed = scratch;
    scratch += aligned_packed_bytes(plan);
  } else {
    args.packed = c.packed[0];
  }
  args.output = y.as<float>();
  args.epilogue.bias = optional_f32(c, 2);
  args.epilogue.residual = optional_f32(c, 3);
  args.epilogue.activation = activation_of(attrs);
  if constexpr (kTransposed)
    conv_transpose(plan, args, scratch, c.parallel);
  else
    conv(plan, args, scratch, c.parallel);
  return Error::Ok;
}

// --- depthwise

void pack_depthwise(const Shape& w, const void* weights, void* destination) {
  depthwise_pack(static_cast<const float*>(weights), w[0], w.rank == 4 ? w[2] : 1, w[w.rank - 1], static_cast<float*>(destination));
}
Error pack_depthwise(const NodeView& node, void* destination) {
  pack_depthwise(node.input(1).shape, node.input(1).constant_data, destination);
  return Error::Ok;
}

Error prepare_depthwise(const NodeView& node, KernelPlan& plan) {
  GF_TRY(check_conv<op::Conv::Attrs>(node, plan));
  const Shape &x = node.input(0).shape, &w = node.input(1).shape;
  if (w[1] != 1 || node.attributes<op::Conv::Attrs>().groups != x[x.rank - 1] || x[x.rank - 1] < 2)
    return plan.refuse("not depthwise");
  if (x.rank > 4) return plan.refuse("more than two spatial axes");
  if (node.has_input(3)) return plan.refuse("a residual");
  const uint64_t packed_bytes = static_cast<uint64_t>(w.count()) * sizeof(float);
  if (node.input(1).is_constant)
    plan.request_pack(1, PackKey(op::Conv::info.id, Isa::Portable).add(-1).value(), packed_bytes, pack_depthwise);
  else plan.scratch_bytes = packed_bytes;
  plan.data_bytes = sizeof(DepthwiseData);
  return Error::Ok;
}

Error init_depthwise(const NodeView& node, InitContext& context) {
  make_data<DepthwiseData>(context) = {node.isa, !node.input(1).is_constant};
  return Error::Ok;
}

Error run_depthwise(RunContext& c) {
  const auto& attrs = c.attributes<op::Conv::Attrs>();
  const auto& data = *static_cast<const DepthwiseData*>(c.data);
  const Shape &x = c.input(0).shape, &w = c.input(1).shape;
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  if (data.packs_in_run) pack_depthwise(w, c.input(1).data, c.scratch);
  Window rows, cols;  // one spatial axis: it is the width
  const int last = x.rank - 3;
  cols = window_of(attrs.window(), last, x[last + 1], y.shape[last + 1], w[last + 2]);
  if (last == 1) rows = window_of(attrs.window(), 0, x[1], y.shape[1], w[2]);
  DepthwiseArgs a;
  a.in = c.input(0).as<const float>();
  a.weights = static_cast<const float*>(data.packs_in_run ? c.scratch : c.packed[0]);
  a.bias = optional_f32(c, 2);
  a.out = y.as<float>();
  a.batch = x[0];
  a.in_h = rows.in;
  a.in_w = cols.in;
  a.channels = x[x.rank - 1];
  a.multiplier = w[0] / a.channels;
  a.out_h = rows.out;
  a.out_w = cols.out;
  a.kernel_h = rows.kernel;
  a.kernel_w = cols.kernel;
  a.stride_h = rows.stride;
  a.stride_w = cols.stride;
  a.dilation_h = rows.dilation;
  a.dilation_w = cols.dilation;
  a.pad_top = rows.pad_begin;
  a.pad_left = cols.pad_begin;
  a.activation = activation_of(attrs);
  depthwise_f32(data.isa, a, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel conv_kernel{.op = op::Conv::info.id,
                         .name = "conv_f32_simd",
                         .rank = 20,
                         .prepare = prepare_product<false>,
                         .init = init_product<false>,
                         .run = run_product<false>};
const Kernel conv_transpose_kernel{.op = op::ConvTranspose::info.id,
                                   .name = "conv_transpose_f32_simd",
                                   .rank = 20,
                                   .prepare = prepare_product<true>,
                                   .init = init_product<true>,
                                   .run = run_product<true>};
const Kernel depthwise_kernel{.op = op::Conv::info.id,
                              .name = "conv_depthwise_f32_simd",
                              .rank = 30,
                              .prepare = prepare_depthwise,
                              .init = init_depthwise,
                              .run = run_depthwise};

}  // namespace gf::simd
