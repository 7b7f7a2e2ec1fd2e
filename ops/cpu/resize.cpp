// resize: y = sum over taps of the product of per-axis weights. For each output position of an axis a small record says
// where its taps begin and what the weights depend on; trailing axes that keep their size move as one block.
// Coordinates and sums are f64.
#include "schema/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/movement.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {
namespace {

/// One output position of one axis.
struct Position {
  int64_t start = 0;   ///< first tap, may lie outside the input
  double ratio = 0;    ///< (0, 1]: distance from the input element left of the position
  double norm = 1;     ///< sum of the weights
  bool outside = false;///< tf_crop_and_resize: take the extrapolation value
};

struct Axis {
  int64_t length = 0, size = 0;  ///< of input and output
  double scale = 1;
  double roi_start = 0, roi_end = 1;
  bool resized = false;
  int64_t first = 0;             ///< tap number of weight 0 relative to the left element; taps = 2 - 2 * first
  int64_t taps = 1;
  Position* positions = nullptr;
};

struct Plan {
  Axis axes[kMaxRank];
  int rank = 0;
  int last = -1;       ///< last axis that is resized
  int64_t block = 1;   ///< elements of the axes behind it
};

double cubic_weight(double x, double a) {  // Keys 1981
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

double weight(const op::Resize::Attrs& a, const Axis& axis, double ratio, int64_t tap) {
  const double squeeze = a.antialias && axis.scale < 1 ? axis.scale : 1;
  const double x = (static_cast<double>(axis.first + tap) - ratio) * squeeze;
  if (a.mode == ResizeMode::Cubic) return cubic_weight(x, static_cast<double>(a.cubic_a));
  const double w = 1 - std::fabs(x);
  return w > 0 ? w : 0;
}

double source_position(const op::Resize::Attrs& a, const Axis& axis, int64_t y) {
  const double n = static_cast<double>(axis.length), exact = axis.scale * n, at = static_cast<double>(y);
  switch (a.coordinates) {
    case ResizeCoordinates::HalfPixel: break;
    case ResizeCoordinates::HalfPixelSymmetric:
      return n / 2 * (1 - static_cast<double>(axis.size) / exact) + (at + 0.5) / axis.scale - 0.5;
    case ResizeCoordinates::PytorchHalfPixel:
      if (exact == 1) return -0.5;
      break;
    case ResizeCoordinates::AlignCorners: return exact == 1 ? 0 : at * (n - 1) / (exact - 1);
    case ResizeCoordinates::Asymmetric: return at / axis.scale;
    case ResizeCoordinates::TfCropAndResize: {
      const double span = (axis.roi_end - axis.roi_start) * (n - 1);
      // a single output element lies in the middle of the roi
      return exact == 1 ? span / 2 + axis.roi_start * (n - 1) : at * span / (exact - 1) + axis.roi_start * (n - 1);
    }
    case ResizeCoordinates::TfHalfPixelForNn: return (at + 0.5) / axis.scale;
  }
  return (at + 0.5) / axis.scale - 0.5;
}

double nearest(ResizeNearest mode, double x) {
  switch (mode) {
    case ResizeNearest::RoundPreferFloor: return std::ceil(x - 0.5);
    case ResizeNearest::RoundPreferCeil: return std::floor(x + 0.5);
    case ResizeNearest::Floor: return std::floor(x);
    case ResizeNearest::Ceil: return std::ceil(x);
  }
  return x;
}

void fill_positions(const op::Resize::Attrs& a, Axis& axis) {
  if (axis.size == 0) return;  // its scale may be 0, and no filter is as wide as that
  axis.first = a.mode == ResizeMode::Cubic ? -1 : 0;
  if (a.antialias && axis.scale < 1)
    axis.first = static_cast<int64_t>(std::floor((a.mode == ResizeMode::Cubic ? -2 : -1) / axis.scale)) + 1;
  axis.taps = a.mode == ResizeMode::Nearest ? 1 : 2 - 2 * axis.first;
  const double reach = static_cast<double>(axis.length) + 4;
  for (int64_t y = 0; y < axis.size; ++y) {
    Position& p = axis.positions[y];
    double x = source_position(a, axis, y);
    p.outside = a.coordinates == ResizeCoordinates::TfCropAndResize &&
                !(x >= 0 && x <= static_cast<double>(axis.length - 1));
    x = x >= -reach ? (x <= 2 * reach ? x : 2 * reach) : -reach;  // also NaN: beyond the ends all positions are alike
    if (a.mode == ResizeMode::Nearest) {
      p.start = static_cast<int64_t>(nearest(a.nearest, x));
      continue;
    }
    // an exact hit counts as distance 1 from the element before it
    const double left = std::ceil(x) - 1;
    p.ratio = x - left;
    p.start = static_cast<int64_t>(left) + axis.first;
    p.norm = 1;
    if (!a.exclude_outside && !(a.antialias && axis.scale < 1)) continue;
    p.norm = 0;
    for (int64_t k = 0; k < axis.taps; ++k) {
      const int64_t at = p.start + k;
      if (!a.exclude_outside || (at >= 0 && at < axis.length)) p.norm += weight(a, axis, p.ratio, k);
    }
    if (p.norm == 0) p.norm = 1;
  }
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto mode = node.attributes<op::Resize::Attrs>().mode;
  if (mode != ResizeMode::Nearest && compute_type(node.input(0).dtype) == ComputeType::None)
    return plan.refuse("interpolation needs numbers");
  const Shape& out = node.output(0).shape;
  uint64_t total = 0;
  for (int d = 0; d < out.rank; ++d) total += static_cast<uint64_t>(out[d]);
  plan.scratch_bytes = total * sizeof(Position);
  return Error::Ok;
}

// Scales, roi and sizes of all axes; positions are laid out in scratch.
Error read_plan(const RunContext& c, Plan& plan) {
  const auto& a = c.attributes<op::Resize::Attrs>();
  const TensorView& x = c.input(0);
  const Shape& out = c.output(0).shape;
  plan.rank = x.shape.rank;
  const int64_t listed = a.axes.empty() ? plan.rank : static_cast<int64_t>(a.axes.size());
  const bool by_scales = !a.scales.empty() || (c.has_input(2) && c.input(2).count() > 0);
  const bool roi = a.coordinates == ResizeCoordinates::TfCropAndResize;
  if ((by_scales && a.scales.empty() && c.input(2).count() != listed) || (roi && c.input(1).count() != 2 * listed))
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "scales or roi do not fit the axes");
  for (int d = 0; d < plan.rank; ++d) {
    plan.axes[d].length = x.shape[d];
    plan.axes[d].size = out[d];
  }
  double common = -1;
  for (int64_t k = 0; k < listed; ++k) {
    Axis& axis = plan.axes[a.axes.empty() ? k : wrap_axis(a.axes[static_cast<size_t>(k)], plan.rank)];
    if (by_scales) {
      axis.scale = static_cast<double>(a.scales.empty() ? c.input(2).as<const float>()[k] : a.scales[static_cast<size_t>(k)]);
    } else {
      const int64_t size = a.sizes.empty() ? index_at(c.input(3), k) : a.sizes[static_cast<size_t>(k)];
      axis.scale = static_cast<double>(size) / static_cast<double>(axis.length);
      common = op::Resize::aspect_scale(a.aspect, common, axis.scale);
    }
    if (roi) {
      axis.roi_start = load_one<double>(c.input(1), k);
      axis.roi_end = load_one<double>(c.input(1), k + listed);
    }
    axis.resized = true;
  }
  auto* positions = static_cast<Position*>(c.scratch);
  for (int d = 0; d < plan.rank; ++d) {
    Axis& axis = plan.axes[d];
    if (axis.resized && !by_scales && a.aspect != ResizeAspect::Stretch) axis.scale = common;
    if (axis.resized && axis.size > 0 && !(axis.scale > 0 && axis.length > 0))
      return GF_FAIL(c.detail, Error::BadData, c.node, "axis %d has no positive scale", d);
    const bool whole_roi = axis.roi_start == 0 && axis.roi_end == 1;
    if (axis.scale == 1 && axis.size == axis.length && whole_roi) axis.resized = false;
    if (!axis.resized && axis.size != axis.length)
      return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "axis %d keeps its length, but another was planned", d);
    if (axis.resized) plan.last = d;
    axis.positions = positions;
    positions += axis.size;
    if (axis.resized) fill_positions(a, axis);
  }
  plan.block = 1;
  for (int d = plan.last + 1; d < plan.rank; ++d) plan.block *= x.shape[d];
  return Error::Ok;
}

int64_t clamp_index(int64_t k, int64_t length) { return k < 0 ? 0 : (k < length ? k : length - 1); }

constexpr int64_t kPiece = 128;

// Adds the taps of axes [d, last] at `offset` (in elements of the axes before) to `sum`.
void add_taps(const op::Resize::Attrs& a, const Plan& plan, const TensorView& x, const int64_t* at, int d, int64_t offset,
              double w, int64_t from, int64_t count, double* sum) {
  if (d > plan.last) {
    double values[kPiece];
    load(x, offset * plan.block + from, count, values);
    add_scaled(sum, w, values, count);
    return;
  }
  const Axis& axis = plan.axes[d];
  if (!axis.resized) return add_taps(a, plan, x, at, d + 1, offset * axis.length + at[d], w, from, count, sum);
  const Position& p = axis.positions[at[d]];
  for (int64_t k = 0; k < axis.taps; ++k) {
    const int64_t tap = p.start + k;
    if (a.exclude_outside && (tap < 0 || tap >= axis.length)) continue;
    const double tap_weight = weight(a, axis, p.ratio, k) / p.norm;
    if (tap_weight == 0) continue;  // an infinity next door must not turn into NaN
    add_taps(a, plan, x, at, d + 1, offset * axis.length + clamp_index(tap, axis.length), w * tap_weight, from, count, sum);
  }
}

void store_rounded(const TensorView& y, int64_t first, int64_t count, double* sum) {
  if (dtype_is_float(y.dtype)) return store(y, first, count, sum);
  const bool is_signed = dtype_is_signed_int(y.dtype);
  const double end = std::ldexp(1.0, static_cast<int>(dtype_bits(y.dtype)) - (is_signed ? 1 : 0));
  const double low = is_signed ? -end : 0, high = end - 1;
  for (int64_t i = 0; i < count; ++i) {
    const double r = std::nearbyint(sum[i]);
    sum[i] = r < low ? low : (r > high ? high : r);
  }
  store(y, first, count, sum);
}

void interpolate(RunContext& c, const Plan& plan) {
  const auto& a = c.attributes<op::Resize::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t rows = y.shape.count(0, plan.last + 1);
  c.parallel.chunks(rows, row_grain(plan.block * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t at[kMaxRank], rest = r;
      bool outside = false;
      for (int d = plan.last; d >= 0; --d) {
        at[d] = rest % y.shape[d];
        rest /= y.shape[d];
        outside |= plan.axes[d].resized && plan.axes[d].positions[at[d]].outside;
      }
      for (int64_t from = 0; from < plan.block; from += kPiece) {
        const int64_t n = std::min(kPiece, plan.block - from);
        double sum[kPiece];
        for (int64_t i = 0; i < n; ++i) sum[i] = outside ? static_cast<double>(a.extrapolation) : 0;
        if (!outside) add_taps(a, plan, x, at, 0, 0, 1, from, n, sum);
        store_rounded(y, r * plan.block + from, n, sum);
      }
    }
  });
}

void pick_nearest(RunContext& c, const Plan& plan) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t rows = y.shape.count(0, plan.last + 1);
  const float extrapolation = c.attributes<op::Resize::Attrs>().extrapolation;
  c.parallel.chunks(rows, row_grain(plan.block), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t rest = r, from = 0, stride = 1;
      bool outside = false;
      for (int d = plan.last; d >= 0; --d) {
        const Axis& axis = plan.axes[d];
        const int64_t at = rest % y.shape[d];
        rest /= y.shape[d];
        outside |= axis.resized && axis.positions[at].outside;
        from += stride * (axis.resized ? clamp_index(axis.positions[at].start, axis.length) : at);
        stride *= axis.length;
      }
      if (outside) for (int64_t i = 0; i < plan.block; ++i) store_one(y, r * plan.block + i, extrapolation);
      else copy_elements(x, from * plan.block, y, r * plan.block, plan.block);
    }
  });
}

Error run(RunContext& c) {
  Plan plan;
  GF_TRY(read_plan(c, plan));
  if (c.output(0).count() == 0) return Error::Ok;
  if (plan.last < 0) copy_dense(c.parallel, c.input(0), c.output(0));
  else if (c.attributes<op::Resize::Attrs>().mode == ResizeMode::Nearest) pick_nearest(c, plan);
  else interpolate(c, plan);
  return Error::Ok;
}

}  // namespace

extern const Kernel resize_kernel;
const Kernel resize_kernel{
    .op = op::Resize::info.id, .name = "resize_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
