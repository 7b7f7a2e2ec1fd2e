// Importer rows of image and signal operators. ONNX images are channels first; ours are channels last, so rows put
// transposes around the op, which the layout pass removes again.
#include <cmath>

#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

// --- resize

ResizeMode resize_mode(Lowering& l) {
  if (l.string_attr("mode", "nearest") == "bilinear") return ResizeMode::Linear;  // before opset 10
  return word_attr(l, "mode", kResizeModes, "nearest");
}

/// Scales and sizes of a resize on its way in: known numbers or an input.
struct ResizeTarget {
  std::vector<int64_t> axes;      // one per entry
  std::vector<float> scales;      // known
  std::vector<int64_t> sizes;     // known
  ValueId scales_input = kNoValue;
  ValueId sizes_input = kNoValue;
};

// Entry k leaves its axis alone.
bool keeps_axis(Lowering& l, const ResizeTarget& t, size_t k) {
  const Dim length = l.shape(0)[static_cast<int>(t.axes[k])];
  if (!t.scales.empty()) return t.scales[k] == 1.0f;
  if (!t.sizes.empty()) return length.is_const() && length.lo == t.sizes[k];
  if (t.sizes_input == kNoValue) return false;
  const ir::Value& sizes = l.b.entry().value(t.sizes_input);
  return sizes.values_known && sizes.values.size() == t.axes.size() && sizes.values[k].same(length);
}

// Drops entries that leave their axis alone, so that only the spatial axes remain.
void prune(Lowering& l, ResizeTarget& t) {
  ResizeTarget kept = t;
  kept.axes.clear();
  kept.scales.clear();
  kept.sizes.clear();
  std::vector<int64_t> places;
  for (size_t k = 0; k < t.axes.size(); ++k) {
    if (keeps_axis(l, t, k)) continue;
    places.push_back(static_cast<int64_t>(k));
    kept.axes.push_back(t.axes[k]);
    if (!t.scales.empty()) kept.scales.push_back(t.scales[k]);
    if (!t.sizes.empty()) kept.sizes.push_back(t.sizes[k]);
  }
  if (places.empty() || places.size() == t.axes.size()) return;
  if (t.scales_input != kNoValue) kept.scales_input = l.b.add<op::Gather>({t.scales_input, l.b.ints(places)});
  if (t.sizes_input != kNoValue) kept.sizes_input = l.b.add<op::Gather>({t.sizes_input, l.b.ints(places)});
  t = std::move(kept);
}

void emit_resize(Lowering& l, op::Resize::Attrs a, ResizeTarget t, ValueId roi) {
  if (a.coordinates != ResizeCoordinates::TfCropAndResize && a.aspect == ResizeAspect::Stretch) prune(l, t);
  ValueId x = l.input(0);
  const int rank = l.rank(0);
  bool spatial = rank >= 3;
  for (const int64_t axis : t.axes) spatial = spatial && axis >= 2;
  if (spatial) {
    x = l.b.to_channels_last(x);
    for (int64_t& axis : t.axes) --axis;
  }
  a.axes = t.axes;
  a.scales = t.scales;
  a.sizes = t.sizes;
  const ValueId y = l.b.add<op::Resize>({x, roi, t.scales_input, t.sizes_input}, a);
  l.output(0, spatial ? l.b.to_channels_first(y) : y);
}

std::vector<int64_t> resize_axes(Lowering& l) {
  std::vector<int64_t> axes = l.opset >= 18 ? l.ints_attr("axes") : std::vector<int64_t>{};
  const int rank = l.rank(0);
  if (axes.empty())
    for (int d = 0; d < rank; ++d) axes.push_back(d);
  for (int64_t& axis : axes) {
    if (axis < -rank || axis >= rank) l.invalid("axis " + std::to_string(axis) + " is outside the rank", Error::BadAttribute);
    axis = axis < 0 ? axis + rank : axis;
  }
  return axes;
}

// Upsample-7 and -9, Resize-10: scales only, positions y / scale rounded down.
void upsample(Lowering& l) {
  refuse_strings(l);
  op::Resize::Attrs a;
  a.mode = resize_mode(l);
  a.coordinates = ResizeCoordinates::Asymmetric;
  a.nearest = ResizeNearest::Floor;
  ResizeTarget t;
  t.axes = resize_axes(l);
  if (l.opset < 9) t.scales = l.floats_attr("scales");
  else if (const auto known = l.const_floats(1)) t.scales = *known;
  else t.scales_input = l.input(1);
  if (t.scales_input == kNoValue && t.scales.size() != t.axes.size())
    l.invalid(std::to_string(t.scales.size()) + " scales for rank " + std::to_string(t.axes.size()), Error::ShapeMismatch);
  emit_resize(l, a, std::move(t), kNoValue);
}

// Is the optional input there with at least one element?
bool filled(Lowering& l, size_t i) {
  if (!l.has_input(i)) return false;
  const DimShape& s = l.shape(i);
  return !(s.rank == 1 && s[0].is_const() && s[0].lo == 0);
}

void resize(Lowering& l) {
  refuse_strings(l);
  op::Resize::Attrs a;
  a.mode = resize_mode(l);
  a.coordinates = word_attr(l, "coordinate_transformation_mode", kResizeCoordinates, "half_pixel");
  a.nearest = word_attr(l, "nearest_mode", kResizeNearest, "round_prefer_floor");
  a.aspect = word_attr(l, "keep_aspect_ratio_policy", kResizeAspects, "stretch");
  a.cubic_a = l.float_attr("cubic_coeff_a", -0.75f);
  a.extrapolation = l.float_attr("extrapolation_value", 0);
  a.exclude_outside = l.int_attr("exclude_outside", 0) != 0;
  a.antialias = l.int_attr("antialias", 0) != 0;
  const bool by_sizes = filled(l, 3), by_scales = filled(l, 2);
  if (by_sizes == by_scales) l.invalid("exactly one of scales and sizes must be given");
  ResizeTarget t;
  t.axes = resize_axes(l);
  if (by_sizes) {
    if (const auto known = l.const_ints(3)) t.sizes = *known;
    else t.sizes_input = l.input(3);
  } else {
    if (const auto known = l.const_floats(2)) t.scales = *known;
    else t.scales_input = l.input(2);
  }
  const size_t entries = by_sizes ? t.sizes.size() : t.scales.size();
  if (t.sizes_input == kNoValue && t.scales_input == kNoValue && entries != t.axes.size())
    l.invalid(std::to_string(entries) + " scales or sizes for " + std::to_string(t.axes.size()) + " axes", Error::ShapeMismatch);
  const bool uses_roi = a.coordinates == ResizeCoordinates::TfCropAndResize;
  emit_resize(l, a, std::move(t), uses_roi ? l.input(1) : kNoValue);
}

// --- detection and sampling

void non_max_suppression(Lowering& l) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.optional_input(i));
  l.output(0, l.b.add<op::NonMaxSuppression>(std::move(inputs),
                                             {.center_point_box = l.int_attr("center_point_box", 0) != 0}));
}

void roi_align(Lowering& l) {
  op::RoiAlign::Attrs a;
  a.output_height = l.int_attr("output_height", 1);
  a.output_width = l.int_attr("output_width", 1);
  a.sampling_ratio = l.int_attr("sampling_ratio", 0);
  a.spatial_scale = l.float_attr("spatial_scale", 1);
  const std::string mode = l.string_attr("mode", "avg");
  if (mode != "avg" && mode != "max") l.invalid("mode is '" + mode + "', must be avg or max", Error::BadAttribute);
  a.max_mode = mode == "max";
  // opset 10 had no attribute and no half-pixel shift
  a.half_pixel = l.opset >= 16 && l.string_attr("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::RoiAlign>({x, l.input(1), l.input(2)}, a)));
}

void max_roi_pool(Lowering& l) {
  const auto pooled = l.ints_attr("pooled_shape");
  if (pooled.size() != 2) l.invalid("pooled_shape needs two entries", Error::BadAttribute);
  op::MaxRoiPool::Attrs a;
  a.pooled_height = pooled[0];
  a.pooled_width = pooled[1];
  a.spatial_scale = l.float_attr("spatial_scale", 1);
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::MaxRoiPool>({x, l.input(1)}, a)));
}

void grid_sample(Lowering& l) {
  op::GridSample::Attrs a;
  const std::string mode = l.string_attr("mode", l.opset >= 20 ? "linear" : "bilinear");
  if (mode == "linear" || mode == "bilinear") a.mode = GridMode::Linear;
  else if (mode == "nearest") a.mode = GridMode::Nearest;
  else if (mode == "cubic" || mode == "bicubic") a.mode = GridMode::Cubic;
  else l.invalid("mode is '" + mode + "', must be linear, nearest or cubic", Error::BadAttribute);
  a.padding = word_attr(l, "padding_mode", kGridPaddings, "zeros");
  a.align_corners = l.int_attr("align_corners", 0) != 0;
  const ValueId x = l.b.to_channels_last(l.input(0));
  l.output(0, l.b.to_channels_first(l.b.add<op::GridSample>({x, l.input(1)}, a)));
}

void affine_grid(Lowering& l) {
  l.output(0, l.b.add<op::AffineGrid>({l.input(0), l.input(1)}, {.align_corners = l.int_attr("align_corners", 0) != 0}));
}

void col2im(Lowering& l) {
  const auto dilations = l.ints_attr("dilations"), pads = l.ints_attr("pads"), strides = l.ints_attr("strides");
  l.output(0, l.b.add<op::Col2Im>({l.input(0), l.input(1), l.input(2)},
                                  {.dilations = dilations, .pads = pads, .strides = strides}));
}

// --- signals

void dft(Lowering& l) {
  op::Dft::Attrs a;
  a.inverse = l.int_attr("inverse", 0) != 0;
  a.onesided = l.int_attr("onesided", 0) != 0;
  ValueId axis = kNoValue;
  if (l.opset < 20) a.axis = l.int_attr("axis", 1);
  else if (const auto known = l.const_ints(2); known && known->size() == 1) a.axis = (*known)[0];
  else axis = l.optional_input(2);
  l.output(0, l.b.add<op::Dft>({l.input(0), l.optional_input(1), axis}, a));
}

void stft(Lowering& l) {
  l.output(0, l.b.add<op::Stft>({l.input(0), l.input(1), l.optional_input(2), l.optional_input(3)},
                                {.onesided = l.int_attr("onesided", 1) != 0}));
}

template <WindowKind kKind>
void window(Lowering& l) {
  l.output(0, l.b.add<op::Window>({l.input(0)}, {.kind = kKind,
                                                 .periodic = l.int_attr("periodic", 1) != 0,
                                                 .dtype = dtype_attr(l, "output_datatype", DType::F32)}));
}

void mel_weight_matrix(Lowering& l) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 5; ++i) inputs.push_back(l.input(i));
  l.output(0, l.b.add<op::MelWeightMatrix>(std::move(inputs), {.dtype = dtype_attr(l, "output_datatype", DType::F32)}));
}

void det(Lowering& l) { l.output(0, l.b.add<op::Det>({l.input(0)})); }

void einsum(Lowering& l) {
  const std::string equation = l.string_attr("equation", "");
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < l.input_count(); ++i) inputs.push_back(l.input(i));
  l.output(0, l.b.add<op::Einsum>(std::move(inputs), {.equation = equation}));
}

constexpr ImportRow kRows[] = {
    {"", "Upsample", 7, upsample},
    {"", "Resize", 10, upsample},
    {"", "Resize", 11, resize},
    {"", "NonMaxSuppression", 10, non_max_suppression, &op_def<op::NonMaxSuppression>},
    {"", "RoiAlign", 10, roi_align},
    {"", "MaxRoiPool", 1, max_roi_pool},
    {"", "GridSample", 16, grid_sample},
    {"", "AffineGrid", 20, affine_grid, &op_def<op::AffineGrid>},
    {"", "Col2Im", 18, col2im, &op_def<op::Col2Im>},
    {"", "DFT", 17, dft},
    {"", "STFT", 17, stft, &op_def<op::Stft>},
    {"", "HannWindow", 17, window<WindowKind::Hann>},
    {"", "HammingWindow", 17, window<WindowKind::Hamming>},
    {"", "BlackmanWindow", 17, window<WindowKind::Blackman>},
    {"", "MelWeightMatrix", 17, mel_weight_matrix},
    {"", "Det", 11, det, &op_def<op::Det>},
    {"", "Einsum", 12, einsum, &op_def<op::Einsum>},
};

}  // namespace

std::span<const ImportRow> import_rows_image() { return kRows; }

}  // namespace gf::onnx
