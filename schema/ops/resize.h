// resize: interpolates along any axes (ONNX Resize-19; Upsample and older versions map to it). Output sizes come from
// the attributes when constant, else from inputs: 0 data, 1 roi (tf_crop_and_resize), 2 scales, 3 sizes.
#pragma once

#include <cmath>

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// Values stand in files.
enum class ResizeMode : uint8_t { Nearest = 0, Linear = 1, Cubic = 2 };
/// Where output position y lies in the input; s is the scale, n the input length, m the (fractional) output length.
enum class ResizeCoordinates : uint8_t {
  HalfPixel = 0,           ///< (y + 0.5) / s - 0.5
  HalfPixelSymmetric = 1,  ///< half_pixel around the middle of the exact, fractional output
  PytorchHalfPixel = 2,    ///< half_pixel, but -0.5 when m is 1 (the first element)
  AlignCorners = 3,        ///< y * (n - 1) / (m - 1)
  Asymmetric = 4,          ///< y / s
  TfCropAndResize = 5,     ///< the roi, corners aligned; outside the input the extrapolation value
  TfHalfPixelForNn = 6,    ///< (y + 0.5) / s (opset 11 only)
};
enum class ResizeNearest : uint8_t { RoundPreferFloor = 0, RoundPreferCeil = 1, Floor = 2, Ceil = 3 };
enum class ResizeAspect : uint8_t { Stretch = 0, NotLarger = 1, NotSmaller = 2 };

namespace op {

struct Resize {
  static constexpr OpInfo info{.id = 200, .name = "resize", .min_inputs = 1, .max_inputs = 4, .flags = kOpDataErrors};
  struct Attrs {
    ResizeMode mode = ResizeMode::Nearest;
    ResizeCoordinates coordinates = ResizeCoordinates::HalfPixel;
    ResizeNearest nearest = ResizeNearest::RoundPreferFloor;
    ResizeAspect aspect = ResizeAspect::Stretch;  ///< with sizes only
    float cubic_a = -0.75f;                       ///< Keys' coefficient
    float extrapolation = 0;
    bool exclude_outside = false;                 ///< weights outside the input are dropped, the others scaled up
    bool antialias = false;                       ///< widens the filter when shrinking
    IntList axes = {};                                 ///< axes that scales, sizes and roi speak of; empty: all
    FloatList scales = {};
    IntList sizes = {};
  };
  static constexpr AttrField fields[] = {field<&Attrs::mode>(1, "mode", 0, 2),
                                         field<&Attrs::coordinates>(2, "coordinates", 0, 6),
                                         field<&Attrs::nearest>(3, "nearest", 0, 3),
                                         field<&Attrs::aspect>(4, "aspect", 0, 2),
                                         field<&Attrs::cubic_a>(5, "cubic_a"),
                                         field<&Attrs::extrapolation>(6, "extrapolation"),
                                         field<&Attrs::exclude_outside>(7, "exclude_outside"),
                                         field<&Attrs::antialias>(8, "antialias"),
                                         field<&Attrs::axes>(9, "axes"),
                                         field<&Attrs::scales>(10, "scales"),
                                         field<&Attrs::sizes>(11, "sizes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, a.mode == ResizeMode::Nearest ? kMovable : kNumbers));
    AxisList axes;
    GF_TRY(read_axes(c, -1, a.axes, c.rank(0), axes));
    if (!axes.given)
      for (int d = 0; d < c.rank(0); ++d) axes.push(d);
    if (a.antialias && a.mode == ResizeMode::Nearest)
      return c.fail(Error::BadAttribute, "antialias needs linear or cubic interpolation");
    if (a.coordinates == ResizeCoordinates::TfCropAndResize) {
      if (!c.has_input(1)) return c.fail(Error::BadGraph, "tf_crop_and_resize needs the roi input");
      GF_TRY(c.expect_type(1, kFloats));
      GF_TRY(c.expect_rank(1, 1));
      GF_TRY(c.expect_equal(c.shape(1)[0], 2 * axes.count, "roi needs a start and an end per axis"));
    }
    const bool scales = !a.scales.empty() || has_elements(c, 2), sizes = !a.sizes.empty() || has_elements(c, 3);
    if (scales == sizes) return c.fail(Error::BadGraph, "exactly one of scales and sizes must be given");
    DimShape out = c.shape(0);
    GF_TRY(scales ? by_scales(c, a, axes, out) : by_sizes(c, a, axes, out));
    for (int k = 0; k < axes.count; ++k)
      if (c.shape(0)[axes.order[k]].hi == 0 && out[axes.order[k]].lo > 0)
        return c.fail(Error::ShapeMismatch, "axis %d is empty and cannot be enlarged", axes.order[k]);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = each dy spread with the weights it was made with

  /// Length of an axis scaled by s: rounded down.
  static constexpr int64_t scaled_length(int64_t length, float s) {
    const double exact = static_cast<double>(length) * static_cast<double>(s);
    return exact < 9e15 ? static_cast<int64_t>(exact) : kUnbounded;
  }
  /// Common scale of the aspect policies and the length it gives.
  static double aspect_scale(ResizeAspect aspect, double common, double scale) {
    if (common < 0) return scale;
    return (aspect == ResizeAspect::NotLarger) == (scale < common) ? scale : common;
  }
  static int64_t round_half_up(double v) { return static_cast<int64_t>(v + 0.5); }

 private:
  // a present input of length 0 stands for an absent one (opset 11 models)
  static bool has_elements(const InferContext& c, int i) {
    return c.has_input(i) && !(c.rank(i) == 1 && c.shape(i)[0].is_const() && c.shape(i)[0].lo == 0);
  }
  static Error by_scales(InferContext& c, const Attrs& a, const AxisList& axes, DimShape& out) {
    const auto n = static_cast<size_t>(axes.count);
    if (!a.scales.empty() && a.scales.size() != n)
      return c.fail(Error::BadAttribute, "%zu scales for %zu axes", a.scales.size(), n);
    const void* data = nullptr;
    if (a.scales.empty()) {
      GF_TRY(c.expect_type(2, dtypes(DType::F32)));
      GF_TRY(c.expect_rank(2, 1));
      GF_TRY(c.expect_equal(c.shape(2)[0], axes.count, "one scale per axis is needed"));
      data = c.data(2);
    }
    for (int k = 0; k < axes.count; ++k) {
      Dim& d = out[axes.order[k]];
      if (a.scales.empty() && data == nullptr) {
        d = c.fresh(0, kUnbounded);
        continue;
      }
      float s = 0;
      if (data == nullptr) s = a.scales[static_cast<size_t>(k)];
      else std::memcpy(&s, static_cast<const char*>(data) + static_cast<size_t>(k) * sizeof s, sizeof s);
      if (!(s > 0) || !(s < 1e9f)) return c.fail(Error::BadData, "scale %d is %g, it must be positive", k, static_cast<double>(s));
      d = scale_dim(c, d, s);
    }
    return Error::Ok;
  }
  static Dim scale_dim(InferContext& c, const Dim& d, float s) {
    if (s == 1.0f) return d;
    const double inverse = 1.0 / static_cast<double>(s);
    if (static_cast<double>(s) == std::floor(static_cast<double>(s))) return c.mul(d, static_cast<int64_t>(s));
    if (!d.is_const() && inverse == std::floor(inverse)) return c.floor_div(d, static_cast<int64_t>(inverse));
    if (d.is_const()) return scaled_length(d.lo, s);
    return c.fresh(scaled_length(d.lo, s), d.hi == kUnbounded ? kUnbounded : scaled_length(d.hi, s));
  }
  static Error by_sizes(InferContext& c, const Attrs& a, const AxisList& axes, DimShape& out) {
    if (!a.sizes.empty() && static_cast<int>(a.sizes.size()) != axes.count)
      return c.fail(Error::BadAttribute, "%zu sizes for %d axes", a.sizes.size(), axes.count);
    if (a.sizes.empty()) {
      int length = 0;
      GF_TRY(read_length(c, 3, "sizes", length));
      if (length >= 0 && length != axes.count) return c.fail(Error::ShapeMismatch, "%d sizes for %d axes", length, axes.count);
    }
    double common = -1;
    bool known = true;
    for (int k = 0; k < axes.count && k < kMaxRank; ++k) {  // the bound g++ 12 cannot see
      Dim& d = out[axes.order[k]];
      const Dim in = d;
      if (a.sizes.empty()) GF_TRY(read_size(c, 3, k, kUnbounded, "sizes", d));
      else if (a.sizes[static_cast<size_t>(k)] < 0) return c.fail(Error::BadAttribute, "size %d is negative", k);
      else d = a.sizes[static_cast<size_t>(k)];
      known &= d.is_const() && in.is_const() && in.lo > 0;
      if (known) common = aspect_scale(a.aspect, common, static_cast<double>(d.lo) / static_cast<double>(in.lo));
    }
    if (a.aspect == ResizeAspect::Stretch) return Error::Ok;
    for (int k = 0; k < axes.count; ++k) {
      const int axis = axes.order[k];
      const Dim in = c.shape(0)[axis];
      if (known) out[axis] = round_half_up(common * static_cast<double>(in.lo));
      else out[axis] = c.fresh(0, a.aspect == ResizeAspect::NotLarger ? out[axis].hi : kUnbounded);
    }
    return Error::Ok;
  }
};

}  // namespace op
}  // namespace gf
