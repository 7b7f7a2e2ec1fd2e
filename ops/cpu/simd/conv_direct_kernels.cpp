// conv and conv_transpose of few channels in f32 for weights that change from run to run: of a net in training, or computed. One or two
// spatial axes.
#include <algorithm>

#include "ops/cpu/simd/conv_direct.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"

namespace gf::simd {
namespace {

constexpr int64_t kFewChannels = 24, kMostRows = 16, kPanel = 8;

template <bool kTransposed>
using AttrsOf = std::conditional_t<kTransposed, op::ConvTranspose::Attrs, op::Conv::Attrs>;

template <bool kTransposed>
Window axis_of(const AttrsOf<kTransposed>& a, int d, int64_t in, int64_t out, int64_t kernel) {
  if constexpr (kTransposed) return op::ConvTranspose::axis(a, d, in, out, kernel);
  else return window_of(a.window(), d, in, out, kernel);
}

template <bool kTransposed>
DirectConvPlan plan_of(const NodeView& node) {
  const auto& attrs = node.attributes<AttrsOf<kTransposed>>();
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  const int last = x.rank - 3;  // one spatial axis: it is the width
  const Window cols = axis_of<kTransposed>(attrs, last, x[last + 1], y[last + 1], w[last + 2]);
  const Window rows = last == 1 ? axis_of<kTransposed>(attrs, 0, x[1], y[1], w[2]) : Window{};
  DirectConvShape s;
  s.batch = x[0];
  s.in_channels = x[x.rank - 1];
  s.out_channels = y[y.rank - 1];
  s.in_h = rows.in;
  s.in_w = cols.in;
  s.out_h = rows.out;
  s.out_w = cols.out;
  s.kernel_h = rows.kernel;
  s.kernel_w = cols.kernel;
  s.stride_h = rows.stride;
  s.stride_w = cols.stride;
  s.dilation_h = rows.dilation;
  s.pad_top = rows.pad_begin;
  s.pad_left = cols.pad_begin;
  return direct_conv_plan(node.isa, kTransposed, s);
}

template <bool kTransposed>
Error prepare_direct(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (direct_conv_lanes(node.isa) == 1) return plan.refuse("no vectors");
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  if (x.rank > 4) return plan.refuse("more than two spatial axes");
  if (!node.is_static()) return plan.refuse("shapes are dynamic");
  if (node.input(1).is_constant) return plan.refuse("constant weights, which other kernels pack once");
  if (node.has_input(3)) return plan.refuse("a residual");
  const auto& attrs = node.attributes<AttrsOf<kTransposed>>();
  if (attrs.precision != Precision::Full) return plan.refuse(kOperandsRounded);
  if (attrs.groups != 1) return plan.refuse("groups");
  if (attrs.window().dilation(x.rank - 3) != 1) return plan.refuse("a dilated kernel");
  if (x.rank == 4 && w[2] > kMostRows) return plan.refuse("more than 16 rows of a kernel");
  if (w.count(2, w.rank) == 1) return plan.refuse("a kernel of one tap");
  if (kTransposed ? y[y.rank - 1] >= std::max<int64_t>(direct_conv_lanes(node.isa), kPanel) : x[x.rank - 1] >= kFewChannels)
    return plan.refuse("channels enough to fill vectors");
  if (x.count() == 0 || w.count() == 0 || y.count() == 0) return plan.refuse("nothing to do");
  const DirectConvPlan p = plan_of<kTransposed>(node);
  plan.data_bytes = sizeof(DirectConvPlan);
  plan.scratch_bytes = p.shared_bytes();
  plan.scratch_bytes_per_worker = p.worker_bytes();
  return Error::Ok;
}

template <bool kTransposed>
Error init_direct(const NodeView& node, InitContext& context) {
  make_data<DirectConvPlan>(context) = plan_of<kTransposed>(node);
  return Error::Ok;
}

template <bool kTransposed>
Error run_direct(RunContext& c) {
  DirectConvArgs args;
  args.in = c.input(0).as<const float>();
  args.weights = c.input(1).as<const float>();
  args.bias = optional_f32(c, 2);
  args.out = c.output(0).as<float>();
  args.activation = activation_of(c.attributes<AttrsOf<kTransposed>>());
  args.shared = c.scratch;
  args.worker = c.worker_scratch;
  args.worker_distance = c.scratch_bytes_per_worker;
  direct_conv(*static_cast<const DirectConvPlan*>(c.data), args, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel conv_direct_kernel{.op = op::Conv::info.id,
                                .name = "conv_direct_f32_simd",
                                .rank = 25,
                                .prepare = prepare_direct<false>,
                                .init = init_direct<false>,
                                .run = run_direct<false>};
const Kernel conv_transpose_direct_kernel{.op = op::ConvTranspose::info.id,
                                          .name = "conv_transpose_direct_f32_simd",
                                          .rank = 25,
                                          .prepare = prepare_direct<true>,
                                          .init = init_direct<true>,
                                          .run = run_direct<true>};

}  // namespace gf::simd
