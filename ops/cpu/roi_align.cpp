// roi_align, its gradient and max_roi_pool, channels last. Coordinates and sums in f32 (f64 for f64 tensors).
#include "schema/ops/roi_align.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/movement.h"
#include "ops/cpu/vectors.h"
#include "schema/ops/max_roi_pool.h"
#include "schema/ops/roi_align_grad.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 128;
/// Samples per bin and direction; boxes beyond it are not sensible data and would run for hours.
constexpr int64_t kMostSamples = 1 << 14;

// Where one sample reads along one axis: two elements and their weights; false when it lies outside the map. C and Round here and
// below as in dispatch_rounded.
template <class C, class Round>
bool corners(Round round, C at, int64_t length, int64_t index[2], C w[2]) {
  if (!(at >= C(-1)) || at > static_cast<C>(length)) return false;
  at = std::max(at, C(0));
  index[0] = static_cast<int64_t>(at);
  if (index[0] >= length - 1) {
    index[0] = index[1] = length - 1;
    at = static_cast<C>(length - 1);
  } else {
    index[1] = index[0] + 1;
  }
  w[1] = round(at - static_cast<C>(index[0]));
  w[0] = round(C(1) - w[1]);
  return true;
}

template <class C, class Round>
struct RoiBins {
  Round round{};
  C start[2] = {}, bin[2] = {};  // y, x
  int64_t samples[2] = {};       // per bin

  // Corners of sample i of bin p along axis d, which has `length` elements.
  bool sample(int d, int64_t p, int64_t i, int64_t length, int64_t index[2], C w[2]) const {
    const C first = round(start[d] + round(static_cast<C>(p) * bin[d]));
    const C step = round(round((static_cast<C>(i) + C(0.5)) * bin[d]) / static_cast<C>(samples[d]));
    return corners(round, round(first + step), length, index, w);
  }
  double total() const { return static_cast<double>(std::max<int64_t>(samples[0] * samples[1], 1)); }
};

template <class C, class Round>
Error read_roi(const RunContext& c, int64_t r, RoiBins<C, Round>& bins) {
  const auto& a = c.attributes<op::RoiAlign::Attrs>();
  const Round round = bins.round;
  const C offset = a.half_pixel ? C(0.5) : C(0), scale = static_cast<C>(a.spatial_scale);
  const int64_t pooled[2] = {a.output_height, a.output_width};
  for (int d = 0; d < 2; ++d) {
    const auto edge = [&](int64_t k) { return round(round(round(load_one<C>(c.input(1), k)) * scale) - offset); };
    const C low = edge(r * 4 + 1 - d), high = edge(r * 4 + 3 - d);
    C size = round(high - low);
    if (!a.half_pixel) size = std::max(size, C(1));
    bins.start[d] = low;
    bins.bin[d] = round(size / static_cast<C>(pooled[d]));
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
template <class C, class Round>
void align_bin(const TensorView& x, const RoiBins<C, Round>& bins, int64_t batch, int64_t ph, int64_t pw, bool max_mode,
               int64_t from, int64_t count, BinResult<C>& bin) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  bool first = true;
  const Round round = bins.round;
  C* result = bin.value;
  for (int64_t i = 0; i < count; ++i) {
    result[i] = bin.weight[i] = 0;
    bin.place[i] = -1;
  }
  for (int64_t iy = 0; iy < bins.samples[0]; ++iy) {
    int64_t row[2];
    C row_weight[2];
    const bool row_inside = bins.sample(0, ph, iy, height, row, row_weight);
    if (!row_inside && !max_mode) continue;
    for (int64_t ix = 0; ix < bins.samples[1]; ++ix) {
      int64_t column[2];
      C column_weight[2];
      const bool inside = row_inside && bins.sample(1, pw, ix, width, column, column_weight);
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
        const C w = round(row_weight[k / 2] * column_weight[k % 2]);
        for (int64_t i = 0; i < count; ++i) {
          const C weighted = round(w * corner[i]);
          if (max_mode) take(i, weighted, place + i, w);
          else sample[i] = round(sample[i] + weighted);
        }
        first = false;
      }
      for (int64_t i = 0; !max_mode && i < count; ++i) result[i] = round(result[i] + sample[i]);
      first = false;
    }
  }
  if (!max_mode)
    for (int64_t i = 0; i < count; ++i) result[i] = round(result[i] / static_cast<C>(bins.total()));
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
  return dispatch_rounded(x.dtype, [&]<class C, class Round>(Round round) {
    for (int64_t r = 0; r < rois; ++r) {
      RoiBins<C, Round> bins{round};
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
template <class C, class Round>
void spread_bin(const RoiBins<C, Round>& bins, const Shape& x, int64_t ph, int64_t pw, const double* dy, int64_t count, double* sums) {
  for (int64_t iy = 0; iy < bins.samples[0]; ++iy) {
    int64_t row[2];
    C row_weight[2];
    if (!bins.sample(0, ph, iy, x[1], row, row_weight)) continue;
    for (int64_t ix = 0; ix < bins.samples[1]; ++ix) {
      int64_t column[2];
      C column_weight[2];
      if (!bins.sample(1, pw, ix, x[2], column, column_weight)) continue;
      for (int k = 0; k < 4; ++k) {
        const double w = static_cast<double>(bins.round(row_weight[k / 2] * column_weight[k % 2])) / bins.total();
        double* to = sums + (row[k / 2] * x[2] + column[k % 2]) * kGradPiece;
        add_scaled(to, w, dy, count);
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
  return dispatch_rounded(dx.dtype, [&]<class C, class Round>(Round round) {
    for (int64_t r = 0; r < dy.shape[0]; ++r) {
      RoiBins<C, Round> bins{round};
      GF_TRY(read_roi(c, r, bins));
    }
    c.parallel(x[0] * pieces, [&](int64_t task, int worker) {
      const int64_t image = task / pieces, from = task % pieces * kGradPiece, count = std::min(kGradPiece, channels - from);
      auto* sums = c.scratch_of<double>(worker);
      set_zero(sums, x[1] * x[2] * kGradPiece);
      for (int64_t r = 0; r < dy.shape[0]; ++r) {
        RoiBins<C, Round> bins{round};
        if (index_at(c.input(2), r) != image || read_roi(c, r, bins) != Error::Ok) continue;
        for (int64_t b = 0; b < bins_per_roi; ++b) {
          double piece[kGradPiece];
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
template <class C, class Round>
void bin_range(Round round, C low, C high, int64_t bin, int64_t bins, int64_t length, int64_t& begin, int64_t& end) {
  const C start = std::round(low), size = round(std::max(round(round(std::round(high) - start) + C(1)), C(1)) / static_cast<C>(bins));
  const C limit = static_cast<C>(length);
  const auto clamp = [limit](C v) { return v > C(0) ? (v < limit ? v : limit) : C(0); };  // NaN: 0
  begin = static_cast<int64_t>(clamp(round(std::floor(round(static_cast<C>(bin) * size)) + start)));
  end = static_cast<int64_t>(clamp(round(std::ceil(round(static_cast<C>(bin + 1) * size)) + start)));
}

// The bin of one task: where it lies in x and the greatest elements there.
void pool_bin(const RunContext& c, int64_t batch, const int64_t begin[2], const int64_t end[2], int64_t task) {
  const TensorView& x = c.input(0);
  const int64_t channels = x.shape[3];
  for (int64_t from = 0; from < channels; from += kPiece) {
    const int64_t n = std::min(kPiece, channels - from);
    double best[kPiece] = {}, values[kPiece];
    int64_t place[kPiece];
    std::fill_n(place, n, int64_t{-1});
    for (int64_t h = begin[0]; h < end[0]; ++h)
      for (int64_t w = begin[1]; w < end[1]; ++w) {
        const int64_t at = ((batch * x.shape[1] + h) * x.shape[2] + w) * channels + from;
        load(x, at, n, values);
        for (int64_t i = 0; i < n; ++i) {
          if (place[i] >= 0 && !(values[i] > best[i]) && values[i] == values[i]) continue;
          best[i] = values[i];
          place[i] = at + i;
        }
      }
    if (c.has_output(1)) std::copy_n(place, n, c.output(1).as<int64_t>() + task * channels + from);
    store(c.output(0), task * channels + from, n, best);
  }
}

Error run_max_roi_pool(RunContext& c) {
  const auto& a = c.attributes<op::MaxRoiPool::Attrs>();
  const TensorView &x = c.input(0), &rois = c.input(1);
  const int64_t bins = a.pooled_height * a.pooled_width;
  for (int64_t r = 0; r < rois.shape[0]; ++r) {
    const int64_t batch = load_one<int64_t>(rois, r * 5);
    if (batch < 0 || batch >= x.shape[0]) return index_error(c, batch, r, 0, x.shape[0]);
  }
  return dispatch_rounded(x.dtype, [&]<class C>(auto round) {
    c.parallel(rois.shape[0] * bins, [&](int64_t task, int) {
      const int64_t r = task / bins, b = task % bins;
      const auto edge = [&](int64_t k) { return round(round(load_one<C>(rois, r * 5 + k)) * static_cast<C>(a.spatial_scale)); };
      int64_t begin[2], end[2];
      bin_range(round, edge(2), edge(4), b / a.pooled_width, a.pooled_height, x.shape[1], begin[0], end[0]);
      bin_range(round, edge(1), edge(3), b % a.pooled_width, a.pooled_width, x.shape[2], begin[1], end[1]);
      pool_bin(c, load_one<int64_t>(rois, r * 5), begin, end, task);
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
