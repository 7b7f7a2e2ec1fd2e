#include "trainer/nn/resample.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/nn/pool.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Exception(Error::InvalidArgument, "interpolate: " + why); }

Tensor area(const Tensor& x, const Shape64& size) {
  if (size.size() == 1) return adaptive_avg_pool1d(x, size[0]);
  if (size.size() == 2) return adaptive_avg_pool2d(x, {size[0], size[1]});
  return adaptive_avg_pool3d(x, {size[0], size[1], size[2]});
}

void set_mode(op::Resize::Attrs& a, Interpolation mode, bool align_corners) {
  const bool nearest = mode == Interpolation::Nearest || mode == Interpolation::NearestExact;
  if (nearest && align_corners) refuse("align_corners is for modes that interpolate between pixels");
  a.mode = nearest ? ResizeMode::Nearest : mode == Interpolation::Bicubic ? ResizeMode::Cubic : ResizeMode::Linear;
  a.nearest = ResizeNearest::Floor;
  // pixel y is pixel floor(y / scale), or floor((y + 1/2) / scale)
  if (mode == Interpolation::Nearest) a.coordinates = ResizeCoordinates::Asymmetric;
  else if (mode == Interpolation::NearestExact) a.coordinates = ResizeCoordinates::TfHalfPixelForNn;
  else a.coordinates = align_corners ? ResizeCoordinates::AlignCorners : ResizeCoordinates::HalfPixel;
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& o) {
  const lazy::Call call("interpolate");
  const size_t space = x.shape().size() < 3 ? 0 : x.shape().size() - 2;
  if (space < 1 || space > 3)
    throw Exception(Error::ShapeMismatch, "interpolate: the input has shape " + io::shape_text(x.shape()) + "; a batch, channels and one to three axes are needed");
  if (o.size.empty() == o.scale.empty()) refuse("one of size and scale must be given");
  if (!o.size.empty() && o.size.size() != space) refuse(std::to_string(o.size.size()) + " sizes for " + std::to_string(space) + " axes");
  if (o.scale.size() > 1 && o.scale.size() != space) refuse(std::to_string(o.scale.size()) + " scales for " + std::to_string(space) + " axes");
  if (o.mode == Interpolation::Bicubic && space != 2) refuse("bicubic is for images");
  Shape64 axes, size = o.size;
  std::vector<float> scales;
  for (size_t d = 0; d < space; ++d) {
    axes.push_back(static_cast<int64_t>(d) + 1);
    if (o.scale.empty()) continue;
    const double s = o.scale[o.scale.size() == 1 ? 0 : d];
    scales.push_back(static_cast<float>(s));
    if (o.mode == Interpolation::Area) size.push_back(static_cast<int64_t>(static_cast<double>(x.shape()[d + 2]) * s));
  }
  if (o.mode == Interpolation::Area) return area(x, size);
  op::Resize::Attrs a;
  set_mode(a, o.mode, o.align_corners);
  a.axes = IntList(axes.data(), axes.size());
  a.sizes = IntList(size.data(), size.size());
  a.scales = FloatList(scales.data(), scales.size());
  return channels_first(apply<op::Resize>({channels_last("interpolate", x, space)}, a));
}

Tensor pixel_shuffle(const Tensor& x, int64_t factor) {
  const lazy::Call call("pixel_shuffle");
  return channels_first(apply<op::DepthToSpace>({channels_last("pixel_shuffle", x, 2)}, {.block = factor, .order = DepthOrder::ChannelFirst}));
}
Tensor pixel_unshuffle(const Tensor& x, int64_t factor) {
  const lazy::Call call("pixel_unshuffle");
  return channels_first(apply<op::SpaceToDepth>({channels_last("pixel_unshuffle", x, 2)}, {.block = factor, .order = DepthOrder::ChannelFirst}));
}

}  // namespace gf::nn
