// Bilinear resize of images over both spatial axes, in f32.
#include "schema/ops/resize.h"

#include "ops/cpu/movement.h"
#include "ops/cpu/xnnpack/operator.h"

namespace gf::xnnpack {
namespace {

struct ResizeSpec {
  size_t batch = 0, channels = 0, in_rows = 0, in_cols = 0, out_rows = 0, out_cols = 0;
  uint32_t flags = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, ResizeSpec& s) {
    GF_TRY(check_node(node, plan, 0, 0b1110));
    const auto& a = node.attributes<op::Resize::Attrs>();
    const Shape &x = node.input(0).shape, &y = node.output(0).shape;
    if (a.mode != ResizeMode::Linear) return plan.refuse("not bilinear");
    if (a.antialias || a.exclude_outside || a.aspect != ResizeAspect::Stretch)
      return plan.refuse("antialias, exclude_outside or aspect");
    if (x.rank != 4 || y[0] != x[0] || y[3] != x[3]) return plan.refuse("not an image resized over its spatial axes");
    for (int d = 1; d < 3; ++d)
      if (!exact_scale(node, d)) return plan.refuse("a scale that does not give a whole length");
    switch (a.coordinates) {
      case ResizeCoordinates::HalfPixel:
      case ResizeCoordinates::HalfPixelSymmetric: s.flags = 0; break;
      case ResizeCoordinates::AlignCorners: s.flags = XNN_FLAG_ALIGN_CORNERS; break;
      case ResizeCoordinates::Asymmetric: s.flags = XNN_FLAG_TENSORFLOW_LEGACY_MODE; break;
      default: return plan.refuse("these coordinates");
    }
    if ((s.flags & XNN_FLAG_ALIGN_CORNERS) != 0 && (y[1] == 1 || y[2] == 1)) return plan.refuse("corners of one element");
    s.batch = static_cast<size_t>(x[0]);
    s.in_rows = static_cast<size_t>(x[1]);
    s.in_cols = static_cast<size_t>(x[2]);
    s.channels = static_cast<size_t>(x[3]);
    s.out_rows = static_cast<size_t>(y[1]);
    s.out_cols = static_cast<size_t>(y[2]);
    return Error::Ok;
  }
  // XNNPACK knows lengths only: the scale that the model states must be their ratio.
  static bool exact_scale(const NodeView& node, int d) {
    const auto& a = node.attributes<op::Resize::Attrs>();
    const Shape &x = node.input(0).shape, &y = node.output(0).shape;
    if (!a.sizes.empty() || a.scales.empty()) return !a.sizes.empty();
    for (size_t k = 0; k < a.scales.size(); ++k) {
      const int axis = a.axes.empty() ? static_cast<int>(k) : cpu::wrap_axis(a.axes[k], x.rank);
      if (axis == d) return a.scales[k] * static_cast<float>(x[d]) == static_cast<float>(y[d]);
    }
    return x[d] == y[d];
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const {
    return xnn_create_resize_bilinear2d_nhwc_f32(channels, channels, channels, flags, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_resize_bilinear2d_nhwc_f32(op, batch, in_rows, in_cols, out_rows, out_cols, at.in[0], at.out, pool);
  }
};

}  // namespace

const Kernel resize_kernel = operator_kernel<ResizeSpec>(op::Resize::info.id, "resize_f32_xnnpack");

}  // namespace gf::xnnpack
