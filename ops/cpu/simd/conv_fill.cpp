// Gathering rows of the implicit im2col matrix, one copy loop per target. A row is made of strips: taps along the
// innermost dimension whose input pixels are neighbours form one contiguous strip (all of a 3x3 kernel's row at
// dilation 1), else each tap is a strip. Parts of a strip outside the input become zeros: no padded copy exists.
#include "ops/cpu/simd/conv_fill.h"

#include <algorithm>
#include <cstring>

#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/conv_fill.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void copy(const float* from, int64_t n, float* to) {
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}
HWY_INLINE void zero(int64_t n, float* to) { std::memset(to, 0, static_cast<size_t>(n) * sizeof(float)); }
#else
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

// Strips are short (21 floats in a first layer), so the copy is inline and its end overlaps what is copied already.
HWY_INLINE void copy(const float* from, int64_t n, float* to) {
  const D d;
  if (n >= kLanes) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    if (i < n) hn::StoreU(hn::LoadU(d, from + n - kLanes), d, to + n - kLanes);
    return;
  }
#if HWY_TARGET != HWY_WASM  // whose vectors have four lanes
  const hn::FixedTag<float, 4> d4;
  if (n >= 4) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) hn::StoreU(hn::LoadU(d4, from + i), d4, to + i);
    if (i < n) hn::StoreU(hn::LoadU(d4, from + n - 4), d4, to + n - 4);
    return;
  }
#endif
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}
HWY_INLINE void zero(int64_t n, float* to) {
  const D d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Zero(d), d, to + i);
  for (; i < n; ++i) to[i] = 0.0F;
}
#endif

/// How the columns fall into strips.
struct Strips {
  bool merged;      ///< one strip holds a whole row of taps
  int64_t length;   ///< elements of a strip
  int64_t per_row;  ///< strips per (td, th)
};

HWY_INLINE Strips strips_of(const ConvGather& g) {
  const bool merged = g.taps[2] == 1 || (g.tap_step[2] == 1 && g.pixel == g.channels);
  return merged ? Strips{true, g.taps[2] * g.channels, 1} : Strips{false, g.channels, g.taps[2]};
}

/// Part of a strip for consecutive output positions of one output line.
struct Run {
  const float* line;   ///< input line, nullptr when it lies outside
  int64_t w;           ///< input column of the strip's first tap at the first position
  int64_t positions;   ///< how many output positions
  int64_t from, to;    ///< columns within the strip
  float* out;          ///< of the first position
  int64_t stride;      ///< of `out`
};

/// One position of a run, any part of which may lie outside.
HWY_INLINE void copy_border(const ConvGather& g, const Strips& s, const Run& run, int64_t position) {
  const int64_t taps = s.merged ? g.taps[2] : 1, w = run.w + position * g.step[2];
  float* out = run.out + position * run.stride;
  const int64_t low = std::clamp(-w * g.channels, run.from, run.to);
  const int64_t high = std::clamp(std::min(taps, g.in[2] - w) * g.channels, low, run.to);
  if (low > run.from) zero(low - run.from, out);
  if (high > low) copy(run.line + w * g.pixel + low, high - low, out + (low - run.from));
  if (run.to > high) zero(run.to - high, out + (high - run.from));
}

#if HWY_TARGET != HWY_WASM  // a module has one loop for all lengths
/// Positions that lie inside: the number of vectors per strip is fixed for short ones, so that the loop over positions
/// is nothing but loads and stores.
template <int kVectors>
HWY_INLINE void copy_inside(const float* from, int64_t step, int64_t n, float* out, int64_t stride, int64_t positions) {
  for (int64_t i = 0; i < positions; ++i, from += step, out += stride) {
#if HWY_TARGET == HWY_SCALAR
    copy(from, n, out);
#else
    if constexpr (kVectors == 0) {
      copy(from, n, out);
    } else {
      const D d;
      for (int64_t v = 0; v < kVectors - 1; ++v) hn::StoreU(hn::LoadU(d, from + v * kLanes), d, out + v * kLanes);
      hn::StoreU(hn::LoadU(d, from + n - kLanes), d, out + n - kLanes);  // may overlap the one before
    }
#endif
  }
}

#endif

void copy_run(const ConvGather& g, const Strips& s, const Run& run) {
  const int64_t n = run.to - run.from, step = g.step[2];
  if (run.line == nullptr) {
    for (int64_t i = 0; i < run.positions; ++i) zero(n, run.out + i * run.stride);
    return;
  }
  const int64_t taps = s.merged ? g.taps[2] : 1;
  // Positions [first, last) see all of the strip: 0 <= w + i * step and w + i * step + taps <= in.
  const int64_t first = run.w >= 0 ? 0 : std::min(run.positions, (-run.w + step - 1) / step);
  const int64_t room = g.in[2] - taps - run.w;
  const int64_t last = std::clamp(room < 0 ? 0 : room / step + 1, first, run.positions);
#if HWY_TARGET == HWY_WASM
  for (int64_t i = first > 0 ? 0 : last; i < run.positions; i = i + 1 == first ? last : i + 1) copy_border(g, s, run, i);
#else
  for (int64_t i = 0; i < first; ++i) copy_border(g, s, run, i);
  for (int64_t i = last; i < run.positions; ++i) copy_border(g, s, run, i);
#endif
  const float* from = run.line + (run.w + first * step) * g.pixel + run.from;
  float* out = run.out + first * run.stride;
  const int64_t count = last - first, advance = step * g.pixel;
#if HWY_TARGET == HWY_WASM
  for (int64_t i = 0; i < count; ++i, from += advance, out += run.stride) copy(from, n, out);
#else
#if HWY_TARGET != HWY_SCALAR
  switch (n < kLanes ? 0 : (n + kLanes - 1) / kLanes) {
    case 1: return copy_inside<1>(from, advance, n, out, run.stride, count);
    case 2: return copy_inside<2>(from, advance, n, out, run.stride, count);
    case 4: return copy_inside<4>(from, advance, n, out, run.stride, count);
    case 8: return copy_inside<8>(from, advance, n, out, run.stride, count);
    default: break;
  }
#endif
  copy_inside<0>(from, advance, n, out, run.stride, count);
#endif
}

void gather(const ConvGather& g, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out, int64_t stride) {
  const Strips s = strips_of(g);
  const int64_t line_pitch = g.in[2] * g.pixel;
  while (rows > 0) {  // one output line, or what is left of it, at a time
    const int64_t w = row % g.size[2];
    int64_t rest = row / g.size[2];
    const int64_t h = rest % g.size[1];
    rest /= g.size[1];
    const int64_t d = rest % g.size[0], n = rest / g.size[0];
    const int64_t positions = std::min(rows, g.size[2] - w);
    int64_t strip = k / s.length, from = k - strip * s.length;
    for (int64_t done = 0; done < kc; ++strip) {
      const int64_t to = std::min(s.length, from + kc - done);
      const int64_t tw = strip % s.per_row, th = strip / s.per_row % g.taps[1], td = strip / s.per_row / g.taps[1];
      const int64_t dd = d * g.step[0] + g.origin[0] + td * g.tap_step[0];
      const int64_t hh = h * g.step[1] + g.origin[1] + th * g.tap_step[1];
      const bool inside = dd >= 0 && dd < g.in[0] && hh >= 0 && hh < g.in[1];
      copy_run(g, s,
               {.line = inside ? g.input + ((n * g.in[0] + dd) * g.in[1] + hh) * line_pitch : nullptr,
                .w = w * g.step[2] + g.origin[2] + tw * g.tap_step[2],
                .positions = positions,
                .from = from,
                .to = to,
                .out = out + done,
                .stride = stride});
      done += to - from;
      from = 0;
    }
    row += positions;
    rows -= positions;
    out += positions * stride;
  }
}

}  // namespace

struct GatherTable {
  GatherRows rows;
};
constexpr GatherTable kGather = {gather};

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

GatherRows gather_rows([[maybe_unused]] Isa isa) { return GF_SIMD_SELECT(isa, kGather.rows); }

}  // namespace gf::simd
#endif
