// resize of channels-last images on the vector functions: nearest for any element of whole bytes, bilinear in f32, over one
// or two spatial axes. The tables are made anew in each run: they are small beside the image.
#include "ops/cpu/simd/resize.h"

#include "ops/cpu/simd/wrap.h"
#include "schema/ops/resize.h"

namespace gf::simd {
namespace {

using op::Resize;

static_assert(static_cast<int>(ResizeCoordinates::Asymmetric) == static_cast<int>(gf::ResizeCoordinates::Asymmetric) &&
                  static_cast<int>(NearestRounding::Ceil) == static_cast<int>(gf::ResizeNearest::Ceil),
              "the enums are one");

/// Per output coordinate: two indices and a weight.
constexpr uint64_t kTableBytes = 2 * sizeof(int32_t) + sizeof(float);

// These two look at the exact length scale * in, which the tables take to be the rounded one.
bool needs_whole_length(gf::ResizeCoordinates c) {
  return c == gf::ResizeCoordinates::AlignCorners || c == gf::ResizeCoordinates::PytorchHalfPixel;
}
bool whole(FloatList scales) {
  for (const float s : scales)
    if (s != static_cast<float>(static_cast<int64_t>(s))) return false;
  return true;
}

const char* reason_against(const NodeView& node) {
  const auto& a = node.attributes<Resize::Attrs>();
  const TensorInfo& x = node.input(0);
  const int rank = x.shape.rank;
  if (rank != 3 && rank != 4) return "not an image with one or two spatial axes";
  const unsigned bits = dtype_bits(x.dtype);
  if (a.mode == ResizeMode::Cubic) return "cubic interpolation";
  if (a.mode == ResizeMode::Linear && x.dtype != DType::F32) return "element type is not float32";
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return "element size";
  if (a.coordinates > gf::ResizeCoordinates::Asymmetric) return "these coordinates";
  if (a.antialias || a.exclude_outside || a.aspect != ResizeAspect::Stretch) return "antialias, exclude_outside or aspect";
  if (needs_whole_length(a.coordinates) && a.sizes.empty() && (a.scales.empty() || !whole(a.scales)))
    return "scales that need not give whole lengths";
  if (a.axes.empty()) return "all axes are named";
  for (const int64_t axis : a.axes)
    if (const int d = cpu::wrap_axis(axis, rank); d < 1 || d > rank - 2) return "other than spatial axes";
  return nullptr;
}

Error prepare_resize(const NodeView& node, KernelPlan& plan) {
  if (const char* reason = reason_against(node); reason != nullptr) return plan.refuse(reason);
  const Shape& y = node.output(0).shape;
  const int64_t rows = y.rank == 4 ? y[1] : 1, cols = y[y.rank - 2];
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes = static_cast<uint64_t>(rows + cols) * kTableBytes;
  return Error::Ok;
}

Error init_resize(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

// Scale of axis d as the model states it: its entry among the scales, or the ratio of the sizes.
double scale_of(const RunContext& c, int d) {
  const auto& a = c.attributes<Resize::Attrs>();
  const Shape &x = c.input(0).shape, &y = c.output(0).shape;
  for (size_t k = 0; k < a.axes.size(); ++k) {
    if (cpu::wrap_axis(a.axes[k], x.rank) != d) continue;
    if (!a.scales.empty()) return static_cast<double>(a.scales[k]);
    if (a.sizes.empty() && c.has_input(2) && c.input(2).count() > 0)
      return static_cast<double>(c.input(2).as<const float>()[k]);
    return static_cast<double>(y[d]) / static_cast<double>(x[d]);
  }
  return 1;
}

struct Tables {
  int32_t* low;
  int32_t* high;
  float* weight;
};

Tables make_tables(const RunContext& c, int d, int64_t in, int64_t out, unsigned char* memory) {
  const auto& a = c.attributes<Resize::Attrs>();
  Tables t;
  t.low = reinterpret_cast<int32_t*>(memory);
  t.high = t.low + out;
  t.weight = reinterpret_cast<float*>(t.high + out);
  const auto mode = static_cast<ResizeCoordinates>(a.coordinates);
  const double scale = d > 0 ? scale_of(c, d) : 1;
  if (a.mode == ResizeMode::Nearest)
    resize_nearest_table(mode, static_cast<NearestRounding>(a.nearest), in, out, scale, t.low);
  else
    resize_linear_table(mode, in, out, scale, t.low, t.high, t.weight);
  return t;
}

Error run_resize(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const int last = x.shape.rank - 2;
  ResizeShape s;
  s.batch = x.shape[0];
  s.channels = x.shape[last + 1];
  s.in_h = last == 2 ? x.shape[1] : 1;
  s.out_h = last == 2 ? y.shape[1] : 1;
  s.in_w = x.shape[last];
  s.out_w = y.shape[last];
  auto* memory = static_cast<unsigned char*>(c.scratch);
  const Tables rows = make_tables(c, last == 2 ? 1 : 0, s.in_h, s.out_h, memory);
  const Tables cols = make_tables(c, last, s.in_w, s.out_w, memory + static_cast<uint64_t>(s.out_h) * kTableBytes);
  if (c.attributes<Resize::Attrs>().mode == ResizeMode::Nearest)
    resize_nearest(static_cast<int>(dtype_bits(x.dtype) / 8), s, rows.low, cols.low, x.data, y.data, c.parallel);
  else
    resize_linear_f32(*static_cast<const Isa*>(c.data), s, {rows.low, rows.high, rows.weight},
                      {cols.low, cols.high, cols.weight}, x.as<const float>(), y.as<float>(), c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel resize_kernel{.op = Resize::info.id,
                           .name = "resize_simd",
                           .rank = 20,
                           .prepare = prepare_resize,
                           .init = init_resize,
                           .run = run_resize};

}  // namespace gf::simd
