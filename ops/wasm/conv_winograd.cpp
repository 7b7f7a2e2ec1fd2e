// conv 3x3 of stride 1 and constant weights by Winograd's transform.
#include "ops/cpu/simd/wrap.h"
#include "ops/wasm/winograd.h"
#include "schema/ops/conv.h"

namespace gf::simd {
namespace {

// Fewer channels than this and the transforms cost more than they save; fewer tiles fill no blocks.
constexpr int64_t kFewest = 16, kFewestTiles = 16;

WinogradPlan plan_of(const NodeView& node) {
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  const WindowAttrs window = node.attributes<op::Conv::Attrs>().window();
  const Window rows = window_of(window, 0, x[1], y[1], w[2]), cols = window_of(window, 1, x[2], y[2], w[3]);
  WinogradPlan p;
  p.isa = node.isa;
  p.batch = x[0];
  p.in_h = x[1];
  p.in_w = x[2];
  p.in_channels = x[3];
  p.out_h = y[1];
  p.out_w = y[2];
  p.out_channels = y[3];
  p.pad_top = rows.pad_begin;
  p.pad_left = cols.pad_begin;
  winograd_plan(p);
  return p;
}

Error pack_winograd(const NodeView& node, void* destination) {
  winograd_pack(plan_of(node), static_cast<const float*>(node.input(1).constant_data), static_cast<float*>(destination));
  return Error::Ok;
}

Error prepare_winograd(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<op::Conv::Attrs>(node, plan));
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const Shape &x = node.input(0).shape, &w = node.input(1).shape;
  const auto& attrs = node.attributes<op::Conv::Attrs>();
  const WindowAttrs window = attrs.window();
  if (x.rank != 4 || w[2] != 3 || w[3] != 3 || attrs.groups != 1) return plan.refuse("not 3x3 in one group");
  for (int d = 0; d < 2; ++d)
    if (window.stride(d) != 1 || window.dilation(d) != 1) return plan.refuse("a stride or a dilation");
  if (!node.is_static()) return plan.refuse("shapes are dynamic");
  if (!node.input(1).is_constant) return plan.refuse("weights that change");
  if (x[3] < kFewest || x[3] % 4 != 0 || w[0] < kFewest) return plan.refuse("few channels, or not a multiple of 4");
  const WinogradPlan p = plan_of(node);
  if (p.tiles() < kFewestTiles) return plan.refuse("a small picture");
  plan.data_bytes = sizeof(WinogradPlan);
  plan.scratch_bytes = p.worker_bytes * static_cast<uint64_t>(node.threads < 1 ? 1 : node.threads);
  plan.request_pack(1, PackKey(op::Conv::info.id, node.isa).add(-2).value(), p.packed_bytes, pack_winograd);
  if (node.has_input(3)) plan.inplace_inputs = 1U << 3;
  return Error::Ok;
}

Error init_winograd(const NodeView& node, InitContext& context) {
  make_data<WinogradPlan>(context) = plan_of(node);
  return Error::Ok;
}

Error run_winograd(RunContext& c) {
  WinogradArgs args;
  args.in = c.input(0).as<const float>();
  args.packed = static_cast<const float*>(c.packed[0]);
  args.bias = optional_f32(c, 2);
  args.residual = optional_f32(c, 3);
  args.out = c.output(0).as<float>();
  args.activation = activation_of(c.attributes<op::Conv::Attrs>());
  winograd(*static_cast<const WinogradPlan*>(c.data), args, c.scratch, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel conv_winograd_kernel{.op = op::Conv::info.id,
                                         .name = "conv_winograd_f32_wasm",
                                         .rank = 40,
                                         .prepare = prepare_winograd,
                                         .init = init_winograd,
                                         .run = run_winograd};

}  // namespace gf::simd
