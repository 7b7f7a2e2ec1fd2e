// roi_align, its gradient and max_roi_pool, channels last. Coordinates and sums in f32 (f64 for f64 tensors).
#include "schema/ops/roi_align.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/max_roi_pool.h"
#include "schema/ops/roi_align_grad.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 128;
/// Samples per bin and direction; boxes beyond it are not sensible data and would run for hours.
constexpr int64_t kMostSamples = 1 << 14;

// Where one sample reads along one axis: two elements and their weights; false when it lies outside the map.
template <class C>
bool corners(C at, int64_t length, int64_t index[2], C w[2]) {
  if (!(at >= C(-1)) || at > static_cast<C>(length)) return false;
  at = std::max(at, C(0));
  index[0] = static_cast<int64_t>(at);
  if (index[0] >= length - 1) {
    index[0] = index[1] = length - 1;
    at = static_cast<C>(length - 1);
  } else {
    index[1] = index[0] + 1;
  }
  w[1] = at - static_cast<C>(index[0]);
  w[0] = C(1) - w[1];
  return true;
}

template <class C>
struct RoiBins {
  C start[2], bin[2];       // y, x
  int64_t samples[2] = {};  // per bin
};

template <class C>
C sample_at(const RoiBins<C>& bins, int d, int64_t p, int64_t i) {
  return bins.start[d] + static_cast<C>(p) * bins.bin[d] +
         (static_cast<C>(i) + C(0.5)) * bins.bin[d] / static_cast<C>(bins.samples[d]);
}

template <class C>
Error read_roi(const RunContext& c, int64_t r, RoiBins<C>& bins) {
  const auto& a = c.attributes<op::RoiAlign::Attrs>();
  const C offset = a.half_pixel ? C(0.5) : C(0), scale = static_cast<C>(a.spatial_scale);
  const int64_t pooled[2] = {a.output_height, a.output_width};
  for (int d = 0; d < 2; ++d) {
    const C low = load_one<C>(c.input(1), r * 4 + 1 - d) * scale - offset;
    const C high = load_one<C>(c.input(1), r * 4 + 3 - d) * scale - offset;
    C size = high - low;
    if (!a.half_pixel) size = std::max(size, C(1));
    bins.start[d] = low;
    bins.bin[d] = size / static_cast<C>(pooled[d]);
    const C wanted = std::ceil(bins.bin[d]);
    if (a.sampling_ratio <= 0 && !(wanted <= static_cast<C>(kMostSamples)))
      return GF_FAIL(c.detail, Error::BadData, c.node, "roi %lld needs more than %lld samples per bin",
                     static_cast<long long>(r), static_cast<long long>(kMostSamples));
    bins.samples[d] = a.sampling_ratio > 0 ? a.sampling_ratio : static_cast<int64_t>(wanted);
  }
  return Error::Ok;
}

/// What one bin gives for a piece of the channels; in max_mode also which element of x it is and with what weight.
template <class C>
struct BinResult {
  C value[kPiece];
  int64_t place[kPiece];
  C weight[kPiece];
};

// One bin: channels [from, from + count) of output pixel (ph, pw).
template <class C>
void align_bin(const TensorView& x, const RoiBins<C>& bins, int64_t batch, int64_t ph, int64_t pw, bool max_mode,
               int64_t from, int64_t count, BinResult<C>& bin) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  bool first = true;
  C* result = bin.value;
  for (int64_t i = 0; i < count; ++i) {
    result[i] = bin.weight[i] = 0;
    bin.place[i] = -1;
  }
  for (int64_t iy = 0; iy < bins.samples[0]; ++iy) {
    int64_t row[2];
    C row_weight[2];
    const bool row_inside = corners(sample_at(bins, 0, ph, iy), height, row, row_weight);
    if (!row_inside && !max_mode) continue;
    for (int64_t ix = 0; ix < bins.samples[1]; ++ix) {
      int64_t column[2];
      C column_weight[2];
      const bool inside = row_inside && corners(sample_at(bins, 1, pw, ix), width, column, column_weight);
      const auto take = [&](int64_t i, C value, int64_t place, C w) {  // max_mode: the first of equal ones stays
        if (!first && !(result[i] < value)) return;
        result[i] = value;
        bin.place[i] = place;
        bin.weight[i] = w;
      };
      for (int64_t i = 0; max_mode && !inside && i < count; ++i) take(i, 0, -1, 0);
      C sample[kPiece] = {};
      for (int k = 0; inside && k < 4; ++k) {
        C corner[kPiece];
        const int64_t place = ((batch * height + row[k / 2]) * width + column[k % 2]) * channels + from;
        load(x, place, count, corner);
        const C w = row_weight[k / 2] * column_weight[k % 2];
        for (int64_t i = 0; i < count; ++i) {
          if (max_mode) take(i, w * corner[i], place + i, w);
          else sample[i] += w * corner[i];
        }
        first = false;
      }
      for (int64_t i = 0; !max_mode && i < count; ++i) result[i] += sample[i];
      first = false;
    }
  }
  const int64_t total = std::max<int64_t>(bins.samples[0] * bins.samples[1], 1);
  if (!max_mode)
    for (int64_t i = 0; i < count; ++i) result[i] /= static_cast<C>(total);
}

Error check_batches(const RunContext& c, int64_t images) {
  for (int64_t r = 0; r < c.input(2).count(); ++r) {
    const int64_t batch = index_at(c.input(2), r);
    if (batch < 0 || batch >= images) return index_error(c, batch, r, 0, images);
  }
  return Error::Ok;
}

Error run_roi_align(RunContext& c) {
  const auto& a = c.attributes<op::RoiAlign::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t rois = y.shape[0], channels = x.shape[3], bins_per_roi = a.output_height * a.output_width;
  GF_TRY(check_batches(c, x.shape[0]));
  if (y.count() == 0) return Error::Ok;
  if (x.shape[1] == 0 || x.shape[2] == 0)
    return GF_FAIL(c.detail, Error::BadData, c.node, "the feature map is empty");
  return dispatch_float(x.dtype, [&]<class C>() {
    for (int64_t r = 0; r < rois; ++r) {
      RoiBins<C> bins;
      GF_TRY(read_roi(c, r, bins));
      c.parallel(bins_per_roi, [&](int64_t b, int) {
        for (int64_t from = 0; from < channels; from += kPiece) {
          const int64_t n = std::min(kPiece, channels - from);
          BinResult<C> bin;
          align_bin(x, bins, index_at(c.input(2), r), b / a.output_width, b % a.output_width, a.max_mode, from, n, bin);
          const int64_t at = (r * bins_per_roi + b) * channels + from;
          store(y, at, n, bin.value);
          if (c.has_output(1)) std::copy_n(bin.place, n, c.output(1).as<int64_t>() + at);
          if (c.has_output(2)) store(c.output(2), at, n, bin.weight);
        }
      });
    }
    return Error::Ok;
  });
}

// A task sums a piece of the channels of one image over all its rois in their order, so any split gives the same bits.
constexpr int64_t kGradPiece = 16;

Error prepare_roi_align_grad(const NodeView& node, KernelPlan& plan) {
  const Shape& x = node.input(3).shape;
  int64_t bytes = 0;
  const int64_t sizes[] = {x[1], x[2], kGradPiece, static_cast<int64_t>(sizeof(double))};
  if (!count_checked(sizes, bytes)) return plan.refuse("the feature map is too large");
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(bytes);
  return Error::Ok;
}

// Adds the gradient of bin (ph, pw) to the features that it read: channels [0, count) of sums [H, W, kGradPiece].
template <class C>
void spread_bin(const RoiBins<C>& bins, const Shape& x, int64_t ph, int64_t pw, const C* dy, int64_t count, double* sums) {
  const int64_t total = std::max<int64_t>(bins.samples[0] * bins.samples[1], 1);
  for (int64_t iy = 0; iy < bins.samples[0]; ++iy) {
    int64_t row[2];
    C row_weight[2];
    if (!corners(sample_at(bins, 0, ph, iy), x[1], row, row_weight)) continue;
    for (int64_t ix = 0; ix < bins.samples[1]; ++ix) {
      int64_t column[2];
      C column_weight[2];
      if (!corners(sample_at(bins, 1, pw, ix), x[2], column, column_weight)) continue;
      for (int k = 0; k < 4; ++k) {
        const double w = static_cast<double>(row_weight[k / 2] * column_weight[k % 2]) / static_cast<double>(total);
        double* to = sums + (row[k / 2] * x[2] + column[k % 2]) * kGradPiece;
        for (int64_t i = 0; i < count; ++i) to[i] += w * static_cast<double>(dy[i]);
      }
    }
  }
}

Error run_roi_align_grad(RunContext& c) {
  const auto& a = c.attributes<op::RoiAlign::Attrs>();
  const TensorView& dy = c.input(0);
  TensorView& dx = c.output(0);
  const Shape& x = dx.shape;
  const int64_t channels = x[3], pieces = (channels + kGradPiece - 1) / kGradPiece, bins_per_roi = a.output_height * a.output_width;
  GF_TRY(check_batches(c, x[0]));
  if (dx.count() == 0) return Error::Ok;
  return dispatch_float(dx.dtype, [&]<class C>() {
    for (int64_t r = 0; r < dy.shape[0]; ++r) {
      RoiBins<C> bins;
      GF_TRY(read_roi(c, r, bins));
    }
    c.parallel(x[0] * pieces, [&](int64_t task, int worker) {
      const int64_t image = task / pieces, from = task % pieces * kGradPiece, count = std::min(kGradPiece, channels - from);
      auto* sums = c.scratch_of<double>(worker);
      std::fill_n(sums, x[1] * x[2] * kGradPiece, 0.0);
      for (int64_t r = 0; r < dy.shape[0]; ++r) {
        RoiBins<C> bins;
        if (index_at(c.input(2), r) != image || read_roi(c, r, bins) != Error::Ok) continue;
        for (int64_t b = 0; b < bins_per_roi; ++b) {
          C piece[kGradPiece];
          load(dy, (r * bins_per_roi + b) * channels + from, count, piece);
          spread_bin(bins, x, b / a.output_width, b % a.output_width, piece, count, sums);
        }
      }
      for (int64_t p = 0; p < x[1] * x[2]; ++p)
        store(dx, (image * x[1] * x[2] + p) * channels + from, count, sums + p * kGradPiece);
    });
    return Error::Ok;
  });
}

// Rows or columns of one bin, as the Caffe layer of the paper rounds them.
template <class C>
void bin_range(C low, C high, int64_t bin, int64_t bins, int64_t length, int64_t& begin, int64_t& end) {
  const C start = std::round(low), size = std::max(std::round(high) - start + C(1), C(1)) / static_cast<C>(bins);
  const C limit = static_cast<C>(length);
  const auto clamp = [limit](C v) { return v > C(0) ? (v < limit ? v : limit) : C(0); };  // NaN: 0
  begin = static_cast<int64_t>(clamp(std::floor(static_cast<C>(bin) * size) + start));
  end = static_cast<int64_t>(clamp(std::ceil(static_cast<C>(bin + 1) * size) + start));
}

Error run_max_roi_pool(RunContext& c) {
  const auto& a = c.attributes<op::MaxRoiPool::Attrs>();
  const TensorView &x = c.input(0), &rois = c.input(1);
  TensorView& y = c.output(0);
  const int64_t channels = x.shape[3], bins = a.pooled_height * a.pooled_width;
  return dispatch_float(x.dtype, [&]<class C>() {
    for (int64_t r = 0; r < rois.shape[0]; ++r) {
      const int64_t batch = load_one<int64_t>(rois, r * 5);
      if (batch < 0 || batch >= x.shape[0]) return index_error(c, batch, r, 0, x.shape[0]);
    }
    c.parallel(rois.shape[0] * bins, [&](int64_t task, int) {
      const int64_t r = task / bins, b = task % bins;
      C box[4];
      for (int k = 0; k < 4; ++k) box[k] = load_one<C>(rois, r * 5 + 1 + k) * static_cast<C>(a.spatial_scale);
      int64_t top = 0, bottom = 0, left = 0, right = 0;
      bin_range(box[1], box[3], b / a.pooled_width, a.pooled_height, x.shape[1], top, bottom);
      bin_range(box[0], box[2], b % a.pooled_width, a.pooled_width, x.shape[2], left, right);
      const int64_t batch = load_one<int64_t>(rois, r * 5);
      for (int64_t from = 0; from < channels; from += kPiece) {
        const int64_t n = std::min(kPiece, channels - from);
        C best[kPiece] = {}, values[kPiece];
        int64_t place[kPiece];
        std::fill_n(place, n, int64_t{-1});
        for (int64_t h = top; h < bottom; ++h)
          for (int64_t w = left; w < right; ++w) {
            const int64_t at = ((batch * x.shape[1] + h) * x.shape[2] + w) * channels + from;
            load(x, at, n, values);
            const bool first = h == top && w == left;
            for (int64_t i = 0; i < n; ++i) {
              if (!first && !(values[i] > best[i]) && values[i] == values[i]) continue;
              best[i] = values[i];
              place[i] = at + i;
            }
          }
        if (c.has_output(1)) std::copy_n(place, n, c.output(1).as<int64_t>() + task * channels + from);
        store(y, task * channels + from, n, best);
      }
    });
    return Error::Ok;
  });
}

}  // namespace

extern const Kernel roi_align_kernel, roi_align_grad_kernel, max_roi_pool_kernel;
const Kernel roi_align_kernel{
    .op = op::RoiAlign::info.id, .name = "roi_align_portable", .rank = 1, .prepare = prepare_any, .run = run_roi_align};
const Kernel roi_align_grad_kernel{.op = op::RoiAlignGrad::info.id,
                                   .name = "roi_align_grad_portable",
                                   .rank = 1,
                                   .prepare = prepare_roi_align_grad,
                                   .run = run_roi_align_grad};
const Kernel max_roi_pool_kernel{.op = op::MaxRoiPool::info.id,
                                 .name = "max_roi_pool_portable",
                                 .rank = 1,
                                 .prepare = prepare_any,
                                 .run = run_max_roi_pool};

}  // namespace gf::cpu
