// conv and conv_transpose of few channels in f32 for weights that change from run to run: of a net in training, or computed. One or two
// spatial axes.
#include <algorithm>
#include <type_traits>

#include "ops/cpu/simd/conv_direct.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"

namespace gf::simd {
namespace {

constexpr int64_t kFewChannels = 24, kMostRows = 16, kPanel = 8;

/// What both ops say about a node.
struct Said {
  bool transposed;
  Precision precision;
  int64_t groups;
  ActivationSpec activation;
  Window rows, cols;  ///< with one spatial axis: it is the width
  bool dilated;       ///< along the width
};
template <class Op>
Said said_of(const NodeView& node) {
  const auto& a = node.attributes<typename Op::Attrs>();
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  const auto axis = [&](int d) {
    if constexpr (std::is_same_v<Op, op::ConvTranspose>) return op::ConvTranspose::axis(a, d, x[d + 1], y[d + 1], w[d + 2]);
    else return window_of(a.window(), d, x[d + 1], y[d + 1], w[d + 2]);
  };
  const int last = x.rank - 3;
  return {.transposed = std::is_same_v<Op, op::ConvTranspose>,
          .precision = a.precision,
          .groups = a.groups,
          .activation = activation_of(a),
          .rows = last == 1 ? axis(0) : Window{},
          .cols = axis(last),
          .dilated = a.window().dilation(last) != 1};
}
Said said(const NodeView& node) {
  return node.def->info.id == op::ConvTranspose::info.id ? said_of<op::ConvTranspose>(node) : said_of<op::Conv>(node);
}

struct DirectData {
  DirectConvPlan plan;
  ActivationSpec activation;
};

DirectConvPlan plan_of(const NodeView& node, const Said& a) {
  const Shape &x = node.input(0).shape, &y = node.output(0).shape;
  DirectConvShape s;
  s.batch = x[0];
  s.in_channels = x[x.rank - 1];
  s.out_channels = y[y.rank - 1];
  s.in_h = a.rows.in;
  s.in_w = a.cols.in;
  s.out_h = a.rows.out;
  s.out_w = a.cols.out;
  s.kernel_h = a.rows.kernel;
  s.kernel_w = a.cols.kernel;
  s.stride_h = a.rows.stride;
  s.stride_w = a.cols.stride;
  s.dilation_h = a.rows.dilation;
  s.pad_top = a.rows.pad_begin;
  s.pad_left = a.cols.pad_begin;
  return direct_conv_plan(node.isa, a.transposed, s);
}

Error prepare_direct(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (direct_conv_lanes(node.isa) == 1) return plan.refuse("no vectors");
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  if (x.rank > 4) return plan.refuse("more than two spatial axes");
  if (!node.is_static()) return plan.refuse("shapes are dynamic");
  if (node.input(1).is_constant) return plan.refuse("constant weights, which other kernels pack once");
  if (node.has_input(3)) return plan.refuse("a residual");
  const Said a = said(node);
  if (a.precision != Precision::Full) return plan.refuse(kOperandsRounded);
  if (!cpu::built_activation(static_cast<int>(a.activation.kind))) return plan.refuse(cpu::kActivationLeftOut);
  if (a.groups != 1) return plan.refuse("groups");
  if (a.dilated) return plan.refuse("a dilated kernel");
  if (x.rank == 4 && w[2] > kMostRows) return plan.refuse("more than 16 rows of a kernel");
  if (w.count(2, w.rank) == 1) return plan.refuse("a kernel of one tap");
  if (a.transposed ? y[y.rank - 1] >= std::max<int64_t>(direct_conv_lanes(node.isa), kPanel) : x[x.rank - 1] >= kFewChannels)
    return plan.refuse("channels enough to fill vectors");
  if (x.count() == 0 || w.count() == 0 || y.count() == 0) return plan.refuse("nothing to do");
  const DirectConvPlan p = plan_of(node, a);
  plan.data_bytes = sizeof(DirectData);
  plan.scratch_bytes = p.shared_bytes();
  plan.scratch_bytes_per_worker = p.worker_bytes();
  return Error::Ok;
}

Error init_direct(const NodeView& node, InitContext& context) {
  const Said a = said(node);
  make_data<DirectData>(context) = {plan_of(node, a), a.activation};
  return Error::Ok;
}

Error run_direct(RunContext& c) {
  const auto& data = *static_cast<const DirectData*>(c.data);
  DirectConvArgs args;
  args.in = c.input(0).as<const float>();
  args.weights = c.input(1).as<const float>();
  args.bias = optional_f32(c, 2);
  args.out = c.output(0).as<float>();
  args.activation = data.activation;
  args.shared = c.scratch;
  args.worker = c.worker_scratch;
  args.worker_distance = c.scratch_bytes_per_worker;
  direct_conv(data.plan, args, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel conv_direct_kernel{.op = op::Conv::info.id,
                                .name = "conv_direct_f32_simd",
                                .rank = 25,
                                .prepare = prepare_direct,
                                .init = init_direct,
                                .run = run_direct};
const Kernel conv_transpose_direct_kernel{.op = op::ConvTranspose::info.id,
                                          .name = "conv_transpose_direct_f32_simd",
                                          .rank = 25,
                                          .prepare = prepare_direct,
                                          .init = init_direct,
                                          .run = run_direct};

}  // namespace gf::simd
