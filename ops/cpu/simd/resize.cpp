// Resizing: coordinate tables in plain code, the four-neighbour sum on vectors over channels.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/resize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math_util-inl.h"
#include "ops/cpu/simd/resize.h"

#ifndef GF_SIMD_RESIZE_TABLE
#define GF_SIMD_RESIZE_TABLE
namespace gf::simd {
struct ResizeTable {
  /// One output row from two input rows.
  void (*row)(const float* top, const float* bottom, float weight, const LinearTable& w, int64_t out_w,
              int64_t channels, float* out);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// (a (1-wx) + b wx)(1-wy) + (c (1-wx) + d wx) wy with the products of weights formed first.
void linear_row(const float* top, const float* bottom, float weight, const LinearTable& table, int64_t out_w,
                int64_t channels, float* out) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t x = 0; x < out_w; ++x, out += channels) {
    const int64_t low = table.low[x] * channels, high = table.high[x] * channels;
    const float wx = table.weight[x];
    const float w00 = (1 - weight) * (1 - wx), w01 = (1 - weight) * wx, w10 = weight * (1 - wx), w11 = weight * wx;
    const F32Vec v00 = hn::Set(d, w00), v01 = hn::Set(d, w01), v10 = hn::Set(d, w10), v11 = hn::Set(d, w11);
    int64_t c = 0;
    for (; c + lanes <= channels; c += lanes) {
      F32Vec y = hn::Mul(hn::LoadU(d, top + low + c), v00);
      y = hn::MulAdd(hn::LoadU(d, top + high + c), v01, y);
      y = hn::MulAdd(hn::LoadU(d, bottom + low + c), v10, y);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, bottom + high + c), v11, y), d, out + c);
    }
    for (; c < channels; ++c) {
      out[c] = top[low + c] * w00 + top[high + c] * w01 + bottom[low + c] * w10 + bottom[high + c] * w11;
    }
  }
}

constexpr ResizeTable kResizeTable = {linear_row};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>
#include <cstring>

namespace gf::simd {
namespace {

double source_coordinate(ResizeCoordinates mode, int64_t in, int64_t out, double scale, int64_t o) {
  const auto x = static_cast<double>(o);
  switch (mode) {
    case ResizeCoordinates::HalfPixel: return (x + 0.5) / scale - 0.5;
    case ResizeCoordinates::HalfPixelSymmetric: {
      // keeps the centre where it is when scale * in is not an integer
      const double adjustment = static_cast<double>(out) / (scale * static_cast<double>(in));
      const double centre = static_cast<double>(in) / 2;
      return centre * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    case ResizeCoordinates::PytorchHalfPixel: return out > 1 ? (x + 0.5) / scale - 0.5 : 0.0;
    case ResizeCoordinates::AlignCorners:
      return out > 1 ? x * static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0;
    case ResizeCoordinates::Asymmetric: return x / scale;
  }
  return x;
}

int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

}  // namespace

void resize_nearest_table(ResizeCoordinates mode, NearestRounding rounding, int64_t in, int64_t out, double scale,
                          int32_t* index) {
  for (int64_t o = 0; o < out; ++o) {
    const double x = source_coordinate(mode, in, out, scale, o);
    double r = 0;
    switch (rounding) {
      case NearestRounding::PreferFloor: r = std::ceil(x - 0.5); break;
      case NearestRounding::PreferCeil: r = std::floor(x + 0.5); break;
      case NearestRounding::Floor: r = std::floor(x); break;
      case NearestRounding::Ceil: r = std::ceil(x); break;
    }
    index[o] = static_cast<int32_t>(clamp(static_cast<int64_t>(r), 0, in - 1));
  }
}

void resize_linear_table(ResizeCoordinates mode, int64_t in, int64_t out, double scale, int32_t* low, int32_t* high,
                         float* weight) {
  for (int64_t o = 0; o < out; ++o) {
    double x = source_coordinate(mode, in, out, scale, o);
    const auto last = static_cast<double>(in - 1);
    x = x < 0 ? 0 : x > last ? last : x;  // the border value goes on outside
    const auto cell = static_cast<int64_t>(std::floor(x));
    low[o] = static_cast<int32_t>(cell);
    high[o] = static_cast<int32_t>(clamp(cell + 1, 0, in - 1));
    weight[o] = static_cast<float>(x - static_cast<double>(cell));
  }
}

void resize_nearest(int element_bytes, const ResizeShape& s, const int32_t* index_h, const int32_t* index_w,
                    const void* in, void* out, const ParallelFor& parallel) {
  const int64_t pixel = s.channels * element_bytes;
  const auto* from = static_cast<const unsigned char*>(in);
  auto* to = static_cast<unsigned char*>(out);
  parallel.chunks(s.batch * s.out_h, 65536 / (s.out_w * pixel + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const unsigned char* row = from + (r / s.out_h * s.in_h + index_h[r % s.out_h]) * s.in_w * pixel;
      unsigned char* destination = to + r * s.out_w * pixel;
      for (int64_t x = 0; x < s.out_w; ++x) {
        std::memcpy(destination + x * pixel, row + index_w[x] * pixel, static_cast<size_t>(pixel));
      }
    }
  });
}

void resize_linear_f32(Isa isa, const ResizeShape& s, const LinearTable& h, const LinearTable& w, const float* in,
                       float* out, const ParallelFor& parallel) {
  const ResizeTable& table = GF_SIMD_SELECT(isa, kResizeTable);
  const int64_t row = s.in_w * s.channels, out_row = s.out_w * s.channels;
  parallel.chunks(s.batch * s.out_h, 16384 / (out_row + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t y = r % s.out_h;
      const float* image = in + r / s.out_h * s.in_h * row;
      table.row(image + h.low[y] * row, image + h.high[y] * row, h.weight[y], w, s.out_w, s.channels, out + r * out_row);
    }
  });
}

}  // namespace gf::simd
#endif
