// conv and conv_transpose in f32 with constant weights, one or two spatial axes: grouped, depthwise and plain.
// XNNPACK wants weights as [output channel, kernel row, kernel column, input channel of the group].
#include "schema/ops/conv.h"

#include "ops/cpu/movement.h"
#include "ops/cpu/xnnpack/product.h"
#include "schema/ops/conv_transpose.h"

namespace gf::xnnpack {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 30;

struct Image {
  Window rows, cols;
  size_t batch = 0, group_in = 0, group_out = 0;
  int64_t groups = 1;
  Clamp clamp;

  size_t channels() const { return group_in; }
  void shrink() { group_in = 1; }
  bool fits() const {
    for (const Window* w : {&rows, &cols})
      for (const int64_t v : {w->in, w->out, w->kernel, w->stride, w->dilation, w->pad_begin, w->pad_end})
        if (v < 0 || v > kMaxSize) return false;
    return groups <= kMaxSize;
  }
};

uint32_t u32(int64_t v) { return static_cast<uint32_t>(v); }
size_t size(int64_t v) { return static_cast<size_t>(v); }

// Spatial axes of [N, (H,) W, C] from `axis(d)`; the only one is the width.
template <class Axis>
void set_axes(int spatial, Image& image, Axis&& axis) {
  image.cols = axis(spatial - 1);
  if (spatial == 2) image.rows = axis(0);
}

// Weights [a, b, kernel..] of each group as [group, outer of (a, b), kernel.., inner of (a, b)].
const float* reorder(const TensorInfo& w, int64_t groups, bool swapped, InitContext& context) {
  const auto* source = static_cast<const float*>(w.constant_data);
  const int64_t a = w.shape[0] / groups, b = w.shape[1], taps = w.shape.count(2, w.shape.rank);
  const int64_t inner = swapped ? a : b;
  if ((taps == 1 && !swapped) || inner == 1) return source;
  cpu::CopyBox box;
  const int64_t outer = swapped ? b : a, outer_stride = swapped ? taps : b * taps, inner_stride = swapped ? b * taps : taps;
  box.push(groups, a * b * taps, a * b * taps);
  box.push(outer, outer_stride, taps * inner);
  box.push(taps, 1, inner);
  box.push(inner, inner_stride, 1);
  cpu::copy_box(context.parallel, DType::F32, source, context.scratch, box);
  return static_cast<const float*>(context.scratch);
}

uint64_t weight_bytes(const NodeView& node) { return static_cast<uint64_t>(node.input(1).shape.count()) * sizeof(float); }

struct ConvSpec : Image {
  static Error parse(const NodeView& node, KernelPlan& plan, ConvSpec& s) {
    GF_TRY(check_node(node, plan, 0b0110));
    const auto& a = node.attributes<op::Conv::Attrs>();
    GF_TRY(read_epilogue(node, a, plan, s.clamp));
    const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
    if (x.rank > 4) return plan.refuse("more than two spatial axes");
    set_axes(x.rank - 2, s, [&](int d) { return window_of(a.window(), d, x[d + 1], y[d + 1], w[d + 2]); });
    s.groups = a.groups;
    s.batch = size(x[0]);
    s.group_in = size(w[1]);
    s.group_out = size(w[0] / a.groups);
    for (const Window* axis : {&s.rows, &s.cols})
      if ((axis->in + axis->pad_begin + axis->pad_end - axis->reach()) / axis->stride + 1 != axis->out)
        return plan.refuse("padding that XNNPACK counts otherwise");
    if (!s.fits()) return plan.refuse("sizes beyond 32 bits");
    if (w.count(2, w.rank) > 1 && w[1] > 1) plan.scratch_bytes = weight_bytes(node);
    return Error::Ok;
  }
  void constants(const NodeView& node, InitContext& context, Constants& c) const {
    c = {reorder(node.input(1), groups, false, context), bias_of(node)};
  }
  // With one channel on both sides of a group it would be another kind of operator, with other tables.
  void shrink() {
    if (group_out > 1) Image::shrink();
  }
  xnn_status create(const Constants& c, xnn_operator_t* op) const {
    return xnn_create_convolution2d_nhwc_f32(
        u32(rows.pad_begin), u32(cols.pad_end), u32(rows.pad_end), u32(cols.pad_begin), u32(rows.kernel), u32(cols.kernel),
        u32(rows.stride), u32(cols.stride), u32(rows.dilation), u32(cols.dilation), u32(groups), group_in, group_out,
        group_in * size(groups), group_out * size(groups), c.weights, c.bias, clamp.low, clamp.high, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_convolution2d_nhwc_f32(op, batch, size(rows.in), size(cols.in), at.in[0], at.out, pool);
  }
};

struct ConvTransposeSpec : Image {
  int64_t extra_rows = 0, extra_cols = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, ConvTransposeSpec& s) {
    GF_TRY(check_node(node, plan, 0b0110));
    const auto& a = node.attributes<op::ConvTranspose::Attrs>();
    GF_TRY(read_epilogue(node, a, plan, s.clamp));
    const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
    if (x.rank > 4) return plan.refuse("more than two spatial axes");
    set_axes(x.rank - 2, s, [&](int d) { return op::ConvTranspose::axis(a, d, x[d + 1], y[d + 1], w[d + 2]); });
    s.groups = a.groups;
    s.batch = size(x[0]);
    s.group_in = size(w[0] / a.groups);
    s.group_out = size(w[1]);
    s.extra_rows = extra(s.rows);
    s.extra_cols = extra(s.cols);
    if (s.extra_rows < 0 || s.extra_rows >= s.rows.stride || s.extra_cols < 0 || s.extra_cols >= s.cols.stride)
      return plan.refuse("padding that XNNPACK counts otherwise");
    if (!s.fits()) return plan.refuse("sizes beyond 32 bits");
    plan.scratch_bytes = weight_bytes(node);
    return Error::Ok;
  }
  static int64_t extra(const Window& w) {
    return w.out - ((w.in - 1) * w.stride + w.reach() - w.pad_begin - w.pad_end);
  }
  void constants(const NodeView& node, InitContext& context, Constants& c) const {
    c = {reorder(node.input(1), groups, true, context), bias_of(node)};
  }
  xnn_status create(const Constants& c, xnn_operator_t* op) const {
    return xnn_create_deconvolution2d_nhwc_f32(
        u32(rows.pad_begin), u32(cols.pad_end), u32(rows.pad_end), u32(cols.pad_begin), u32(rows.kernel), u32(cols.kernel),
        u32(rows.stride), u32(cols.stride), u32(rows.dilation), u32(cols.dilation), u32(groups), group_in, group_out,
        group_in * size(groups), group_out * size(groups), c.weights, c.bias, clamp.low, clamp.high, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_deconvolution2d_nhwc_f32(op, batch, size(rows.in), size(cols.in), u32(extra_rows), u32(extra_cols),
                                              at.in[0], at.out, pool);
  }
};

}  // namespace

const Kernel conv_kernel = operator_kernel<ConvSpec>(op::Conv::info.id, "conv_f32_xnnpack");
const Kernel conv_transpose_kernel =
    operator_kernel<ConvTransposeSpec>(op::ConvTranspose::info.id, "conv_transpose_f32_xnnpack");

}  // namespace gf::xnnpack
