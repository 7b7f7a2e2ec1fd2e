// roi_align and max_roi_pool, channels last. Coordinates and sums in f32 (f64 for f64 tensors).
#include "schema/ops/roi_align.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/max_roi_pool.h"

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

// One bin: channels [from, from + count) of output pixel (ph, pw).
template <class C>
void align_bin(const TensorView& x, const RoiBins<C>& bins, int64_t batch, int64_t ph, int64_t pw, bool max_mode,
               int64_t from, int64_t count, C* result) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  bool first = true;
  for (int64_t i = 0; i < count; ++i) result[i] = 0;
  const auto sample_at = [&bins](int d, int64_t p, int64_t i) {
    return bins.start[d] + static_cast<C>(p) * bins.bin[d] +
           (static_cast<C>(i) + C(0.5)) * bins.bin[d] / static_cast<C>(bins.samples[d]);
  };
  for (int64_t iy = 0; iy < bins.samples[0]; ++iy) {
    int64_t row[2];
    C row_weight[2];
    const bool row_inside = corners(sample_at(0, ph, iy), height, row, row_weight);
    if (!row_inside && !max_mode) continue;
    for (int64_t ix = 0; ix < bins.samples[1]; ++ix) {
      int64_t column[2];
      C column_weight[2];
      const bool inside = row_inside && corners(sample_at(1, pw, ix), width, column, column_weight);
      C sample[kPiece] = {};
      for (int k = 0; inside && k < 4; ++k) {
        C corner[kPiece];
        load(x.dtype, x.data, ((batch * height + row[k / 2]) * width + column[k % 2]) * channels + from, 1, count, corner);
        const C w = row_weight[k / 2] * column_weight[k % 2];
        for (int64_t i = 0; i < count; ++i) {
          if (max_mode) sample[i] = k == 0 ? w * corner[i] : std::max(sample[i], w * corner[i]);
          else sample[i] += w * corner[i];
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        if (!max_mode) result[i] += sample[i];
        else result[i] = first ? sample[i] : std::max(result[i], sample[i]);
      }
      first = false;
    }
  }
  const int64_t total = std::max<int64_t>(bins.samples[0] * bins.samples[1], 1);
  if (!max_mode)
    for (int64_t i = 0; i < count; ++i) result[i] /= static_cast<C>(total);
}

Error run_roi_align(RunContext& c) {
  const auto& a = c.attributes<op::RoiAlign::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t rois = y.shape[0], channels = x.shape[3], bins_per_roi = a.output_height * a.output_width;
  for (int64_t r = 0; r < rois; ++r) {
    const int64_t batch = index_at(c.input(2), r);
    if (batch < 0 || batch >= x.shape[0]) return index_error(c, batch, r, 0, x.shape[0]);
  }
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
          C result[kPiece];
          align_bin(x, bins, index_at(c.input(2), r), b / a.output_width, b % a.output_width, a.max_mode, from, n, result);
          store(y.dtype, y.data, (r * bins_per_roi + b) * channels + from, n, result);
        }
      });
    }
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
        for (int64_t h = top; h < bottom; ++h)
          for (int64_t w = left; w < right; ++w) {
            load(x.dtype, x.data, ((batch * x.shape[1] + h) * x.shape[2] + w) * channels + from, 1, n, values);
            const bool first = h == top && w == left;
            for (int64_t i = 0; i < n; ++i) best[i] = first || values[i] > best[i] || values[i] != values[i] ? values[i] : best[i];
          }
        store(y.dtype, y.data, task * channels + from, n, best);
      }
    });
    return Error::Ok;
  });
}

}  // namespace

extern const Kernel roi_align_kernel, max_roi_pool_kernel;
const Kernel roi_align_kernel{
    .op = op::RoiAlign::info.id, .name = "roi_align_portable", .rank = 1, .prepare = prepare_any, .run = run_roi_align};
const Kernel max_roi_pool_kernel{.op = op::MaxRoiPool::info.id,
                                 .name = "max_roi_pool_portable",
                                 .rank = 1,
                                 .prepare = prepare_any,
                                 .run = run_max_roi_pool};

}  // namespace gf::cpu
