// Exporter rows of image and signal ops.
#include <algorithm>

#include "converter/onnx/raising.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;

// --- resize: before opset 18 every axis needs a number

struct ResizePlan {
  std::vector<int64_t> axes;      // ours, normalised
  bool spatial = false;           // all of them between batch and channels: works channels first
  bool all_axes = false;
};

ResizePlan resize_plan(const ir::Node& n, int rank) {
  const auto a = ir::attrs_of<op::Resize>(n);
  ResizePlan p;
  p.axes.assign(a.axes.begin(), a.axes.end());
  if (p.axes.empty())
    for (int d = 0; d < rank; ++d) p.axes.push_back(d);
  for (int64_t& d : p.axes) d = d < 0 ? d + rank : d;
  p.spatial = rank >= 3 && std::all_of(p.axes.begin(), p.axes.end(), [&](int64_t d) { return d >= 1 && d <= rank - 2; });
  p.all_axes = static_cast<int>(p.axes.size()) == rank;
  return p;
}

int resize_needs(const ir::Entry& e, const ir::Node& n) {
  const auto a = ir::attrs_of<op::Resize>(n);
  const ResizePlan p = resize_plan(n, e.value(n.inputs[0]).shape.rank);
  if (a.antialias || a.aspect != ResizeAspect::Stretch) return 18;
  if (a.coordinates == ResizeCoordinates::HalfPixelSymmetric) return 19;
  if (p.all_axes && std::is_sorted(p.axes.begin(), p.axes.end())) return 0;
  const bool given = n.input(1) != kNoValue || n.input(2) != kNoValue || n.input(3) != kNoValue;
  return given || !a.sizes.empty() ? 18 : 0;
}

void resize(Raising& r) {
  const auto a = r.attrs<op::Resize>();
  const int rank = r.rank(0);
  ResizePlan p = resize_plan(r.node, rank);
  const bool spatial = p.spatial;
  const std::string x = spatial ? r.first(0) : r.in(0);
  if (spatial)
    for (int64_t& d : p.axes) ++d;
  if (a.coordinates == ResizeCoordinates::TfHalfPixelForNn && r.opset() > 11) r.unsupported("tf_half_pixel_for_nn, which ONNX has in opset 11 only");
  Attributes attributes{make_attribute("mode", word_of(kResizeModes, a.mode)),
                        make_attribute("coordinate_transformation_mode", word_of(kResizeCoordinates, a.coordinates)),
                        make_attribute("nearest_mode", word_of(kResizeNearest, a.nearest)),
                        make_attribute("cubic_coeff_a", a.cubic_a),
                        make_attribute("exclude_outside", a.exclude_outside ? 1 : 0),
                        make_attribute("extrapolation_value", a.extrapolation)};
  std::string scales, sizes;
  const bool names_axes = r.opset() >= 18;
  if (names_axes) {
    attributes.push_back(make_attribute("axes", p.axes));
    if (a.antialias) attributes.push_back(make_attribute("antialias", 1));
    attributes.push_back(make_attribute("keep_aspect_ratio_policy", word_of(kResizeAspects, a.aspect)));
  }
  if (!a.scales.empty()) {
    std::vector<float> all(a.scales.begin(), a.scales.end());
    if (!names_axes) {
      all.assign(static_cast<size_t>(rank), 1.0f);
      for (size_t k = 0; k < p.axes.size(); ++k) all[static_cast<size_t>(p.axes[k])] = a.scales[k];
    }
    scales = r.floats_value(all);
  } else if (!a.sizes.empty()) {
    sizes = r.ints_value({a.sizes.begin(), a.sizes.end()});
  } else {
    scales = r.in(2);
    sizes = r.in(3);
  }
  Names inputs{x, r.in(1), scales, sizes};
  if (spatial) r.emit_first("Resize", std::move(inputs), std::move(attributes));
  else r.emit("Resize", std::move(inputs), std::move(attributes));
}

// --- detection and sampling

void roi_align(Raising& r) {
  r.refuse_outputs_from(1);
  const auto a = r.attrs<op::RoiAlign>();
  r.emit_first("RoiAlign", {r.first(0), r.in(1), r.in(2)},
               {make_attribute("output_height", a.output_height), make_attribute("output_width", a.output_width),
                make_attribute("sampling_ratio", a.sampling_ratio), make_attribute("spatial_scale", a.spatial_scale),
                make_attribute("mode", std::string(a.max_mode ? "max" : "avg")),
                make_attribute("coordinate_transformation_mode", std::string(a.half_pixel ? "half_pixel" : "output_half_pixel"))});
}
void max_roi_pool(Raising& r) {
  r.refuse_outputs_from(1);
  const auto a = r.attrs<op::MaxRoiPool>();
  r.emit_first("MaxRoiPool", {r.first(0), r.in(1)},
               {make_attribute("pooled_shape", std::vector<int64_t>{a.pooled_height, a.pooled_width}),
                make_attribute("spatial_scale", a.spatial_scale)});
}

int grid_sample_needs(const ir::Entry& e, const ir::Node& n) { return e.value(n.inputs[0]).shape.rank > 4 ? 20 : 0; }
void grid_sample(Raising& r) {
  const auto a = r.attrs<op::GridSample>();
  static constexpr const char* kOld[] = {"bilinear", "nearest", "bicubic"};
  static constexpr const char* kNew[] = {"linear", "nearest", "cubic"};
  const auto mode = static_cast<size_t>(a.mode);
  r.emit_first("GridSample", {r.first(0), r.in(1)},
               {make_attribute("mode", std::string(r.opset() >= 20 ? kNew[mode] : kOld[mode])),
                make_attribute("padding_mode", word_of(kGridPaddings, a.padding)),
                make_attribute("align_corners", a.align_corners ? 1 : 0)});
}

void depth_to_space(Raising& r) {
  const auto a = r.attrs<op::DepthToSpace>();
  r.emit_first("DepthToSpace", {r.first(0)}, {make_attribute("blocksize", a.block), make_attribute("mode", word_of(kDepthOrders, a.order))});
}
void space_to_depth(Raising& r) {
  const auto a = r.attrs<op::SpaceToDepth>();
  if (a.order != DepthOrder::BlockFirst) r.unsupported("SpaceToDepth has one order of channels only");
  r.emit_first("SpaceToDepth", {r.first(0)}, {make_attribute("blocksize", a.block)});
}

// --- signals

int dft_needs(const ir::Entry&, const ir::Node& n) { return n.input(2) != kNoValue ? 20 : 0; }
void dft(Raising& r) {
  const auto a = r.attrs<op::Dft>();
  Attributes attributes{make_attribute("inverse", a.inverse ? 1 : 0), make_attribute("onesided", a.onesided ? 1 : 0)};
  if (r.opset() >= 20) return r.emit("DFT", {r.in(0), r.in(1), r.has(2) ? r.in(2) : r.scalar(DType::I64, static_cast<double>(a.axis))}, std::move(attributes));
  // before opset 20 an axis may not be negative in some readers
  attributes.push_back(make_attribute("axis", a.axis < 0 ? a.axis + r.rank(0) : a.axis));
  r.emit("DFT", {r.in(0), r.in(1)}, std::move(attributes));
}
void window(Raising& r) {
  const auto a = r.attrs<op::Window>();
  static constexpr const char* kNames[] = {"HannWindow", "HammingWindow", "BlackmanWindow"};
  r.emit(kNames[static_cast<size_t>(a.kind)], {r.in(0)},
         {make_attribute("periodic", a.periodic ? 1 : 0), make_attribute("output_datatype", type_number(a.dtype))});
}
void mel_weight_matrix(Raising& r) {
  r.emit("MelWeightMatrix", r.all(), {make_attribute("output_datatype", type_number(r.attrs<op::MelWeightMatrix>().dtype))});
}

constexpr ExportRow kRows[] = {
    {&op_def<op::Resize>, 13, true, resize, resize_needs},
    {&op_def<op::RoiAlign>, 16, true, roi_align},
    {&op_def<op::MaxRoiPool>, 1, true, max_roi_pool},
    {&op_def<op::GridSample>, 16, true, grid_sample, grid_sample_needs},
    {&op_def<op::DepthToSpace>, 13, true, depth_to_space},
    {&op_def<op::SpaceToDepth>, 13, true, space_to_depth},
    {&op_def<op::Dft>, 17, false, dft, dft_needs},
    {&op_def<op::Window>, 17, false, window},
    {&op_def<op::MelWeightMatrix>, 17, false, mel_weight_matrix},
};

}  // namespace

std::span<const ExportRow> export_rows_image() { return kRows; }

}  // namespace gf::onnx
