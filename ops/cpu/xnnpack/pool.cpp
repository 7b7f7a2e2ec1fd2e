// max_pool, average_pool and reduce_mean over whole images (global average pooling) in f32.
#include "ops/cpu/movement.h"
#include "ops/cpu/xnnpack/operator.h"
#include "schema/ops/average_pool.h"
#include "schema/ops/max_pool.h"
#include "schema/ops/reduce_mean.h"
#include "schema/spatial.h"

namespace gf::xnnpack {
namespace {

uint32_t u32(int64_t v) { return static_cast<uint32_t>(v); }
size_t size(int64_t v) { return static_cast<size_t>(v); }

// Gives the axis the padding at its end with which XNNPACK, which rounds down, counts `out` windows. False when a window
// would see padding alone, or sizes are beyond 32 bits.
bool fit(Window& w) {
  const int64_t needed = (w.out - 1) * w.stride + w.reach() - w.in - w.pad_begin;
  w.pad_end = needed > 0 ? needed : 0;
  return w.pad_begin < w.reach() && w.pad_end < w.reach() && (w.out - 1) * w.stride < w.in + w.pad_begin &&
         (w.in + w.pad_begin + w.pad_end - w.reach()) / w.stride + 1 == w.out && w.in < (1 << 30) && w.reach() < (1 << 30);
}

struct PoolSpec {
  Window rows, cols;
  size_t batch = 0, channels = 0;

  template <class Attrs>
  Error parse_window(const NodeView& node, const Attrs& a, KernelPlan& plan) {
    GF_TRY(check_node(node, plan));
    const Shape &x = node.input(0).shape, &y = node.output(0).shape;
    if (x.rank > 4) return plan.refuse("more than two spatial axes");
    const int last = x.rank - 3;
    const auto axis = [&](int d) {
      return window_of(a.window(), d, x[d + 1], y[d + 1], a.kernel[static_cast<size_t>(d)]);
    };
    cols = axis(last);
    if (last == 1) rows = axis(0);
    batch = size(x[0]);
    channels = size(x[x.rank - 1]);
    if (!fit(rows) || !fit(cols)) return plan.refuse("a window that sees padding alone, or sizes beyond 32 bits");
    if (rows.kernel * cols.kernel == 1) return plan.refuse("a window of one element");
    for (Window* w : {&rows, &cols})
      if (w->kernel == 1) w->dilation = 1;
    return Error::Ok;
  }
  bool padded() const { return rows.pad_begin + rows.pad_end + cols.pad_begin + cols.pad_end != 0; }
  bool dilated() const { return rows.dilation * cols.dilation != 1; }
};

struct MaxPoolSpec : PoolSpec {
  static Error parse(const NodeView& node, KernelPlan& plan, MaxPoolSpec& s) {
    GF_TRY(s.parse_window(node, node.attributes<op::MaxPool::Attrs>(), plan));
    // padding is made of elements near the border, which with dilation need not belong to the window
    return s.dilated() && s.padded() ? plan.refuse("a dilated window with padding, which XNNPACK gets wrong") : Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const {
    return xnn_create_max_pooling2d_nhwc_f32(u32(rows.pad_begin), u32(cols.pad_end), u32(rows.pad_end),
                                             u32(cols.pad_begin), u32(rows.kernel), u32(cols.kernel), u32(rows.stride),
                                             u32(cols.stride), u32(rows.dilation), u32(cols.dilation), channels, channels,
                                             channels, -kInfinity, kInfinity, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_max_pooling2d_nhwc_f32(op, batch, size(rows.in), size(cols.in), at.in[0], at.out, pool);
  }
};

struct AveragePoolSpec : PoolSpec {
  static Error parse(const NodeView& node, KernelPlan& plan, AveragePoolSpec& s) {
    const auto& a = node.attributes<op::AveragePool::Attrs>();
    GF_TRY(s.parse_window(node, a, plan));
    if (s.dilated()) return plan.refuse("a dilated window");
    if (a.count_include_pad && s.padded()) return plan.refuse("padding that counts");
    return Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const {
    return xnn_create_average_pooling2d_nhwc_f32(u32(rows.pad_begin), u32(cols.pad_end), u32(rows.pad_end),
                                                 u32(cols.pad_begin), u32(rows.kernel), u32(cols.kernel),
                                                 u32(rows.stride), u32(cols.stride), channels, channels, channels,
                                                 -kInfinity, kInfinity, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_average_pooling2d_nhwc_f32(op, batch, size(rows.in), size(cols.in), at.in[0], at.out, pool);
  }
};

// The mean over the axes between the first ones (batch) and the last (channels).
struct MeanSpec {
  size_t batch = 0, width = 0, channels = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, MeanSpec& s) {
    GF_TRY(check_node(node, plan, 0, 0b10));
    const auto& a = node.attributes<ReduceAttrs>();
    const Shape& x = node.input(0).shape;
    uint32_t mask = 0;
    if (node.has_input(1)) {
      const TensorInfo& axes = node.input(1);
      if (!axes.is_constant || axes.constant_data == nullptr) return plan.refuse("the axes are not constant");
      const TensorView view{const_cast<void*>(axes.constant_data), axes.shape, axes.dtype};
      for (int64_t k = 0; k < axes.shape.count(); ++k) mask |= 1U << cpu::wrap_axis(cpu::load_one<int64_t>(view, k), x.rank);
    } else {
      for (const int64_t axis : a.axes) mask |= 1U << cpu::wrap_axis(axis, x.rank);
    }
    int first = 0, last = x.rank - 1;
    while (first < last && ((mask >> first) & 1U) == 0) ++first;
    for (int d = 0; d < x.rank; ++d)
      if (((mask >> d) & 1U) != (d >= first && d < last ? 1U : 0U)) return plan.refuse("not a mean over whole images");
    if (first == last) return plan.refuse("not a mean over whole images");
    s.batch = size(x.count(0, first));
    s.width = size(x.count(first, last));
    s.channels = size(x[last]);
    return Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const {
    return xnn_create_global_average_pooling_nwc_f32(channels, channels, channels, -kInfinity, kInfinity, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_global_average_pooling_nwc_f32(op, batch, width, at.in[0], at.out, pool);
  }
};

}  // namespace

const Kernel max_pool_kernel = operator_kernel<MaxPoolSpec>(op::MaxPool::info.id, "max_pool_f32_xnnpack");
const Kernel average_pool_kernel = operator_kernel<AveragePoolSpec>(op::AveragePool::info.id, "average_pool_f32_xnnpack");
const Kernel reduce_mean_kernel = operator_kernel<MeanSpec>(op::ReduceMean::info.id, "reduce_mean_f32_xnnpack");

}  // namespace gf::xnnpack
