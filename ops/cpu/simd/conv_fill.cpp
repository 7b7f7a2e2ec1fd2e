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
  const hn::FixedTag<float, 4> d4;
  if (n >= 4) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) hn::StoreU(hn::LoadU(d4, from + i), d4, to + i);
    if (i < n) hn::StoreU(hn::LoadU(d4, from + n - 4), d4, to + n - 4);
    return;
  }
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
  bool merged;     ///< one strip holds a whole row of taps
  int64_t length;  ///< elements of a strip
  int64_t per_row; ///< strips per (td, th)
};

HWY_INLINE Strips strips_of(const ConvGather& g) {
  const bool merged = g.taps[2] == 1 || (g.tap_step[2] == 1 && g.pixel == g.channels);
  return merged ? Strips{true, g.taps[2] * g.channels, 1} : Strips{false, g.channels, g.taps[2]};
}

/// Columns [from, to) of one strip whose first tap lies at input column `w` of the line at `line` (nullptr: outside).
HWY_INLINE void copy_strip(const ConvGather& g, const Strips& s, const float* line, int64_t w, int64_t from, int64_t to,
                           float* out) {
  int64_t low = from, high = from;  // the part that lies inside
  if (line != nullptr) {
    const int64_t taps = s.merged ? g.taps[2] : 1;
    const int64_t first = std::max<int64_t>(0, -w), last = std::min(taps, g.in[2] - w);
    low = std::clamp(first * g.channels, from, to);
    high = std::clamp(last * g.channels, low, to);
  }
  if (low > from) zero(low - from, out);
  if (high > low) copy(line + w * g.pixel + low, high - low, out + (low - from));
  if (to > high) zero(to - high, out + (high - from));
}

void gather(const ConvGather& g, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out, int64_t stride) {
  const Strips s = strips_of(g);
  const int64_t first_strip = k / s.length;
  int64_t w = row % g.size[2], rest = row / g.size[2];
  int64_t h = rest % g.size[1];
  rest /= g.size[1];
  int64_t d = rest % g.size[0], n = rest / g.size[0];
  const int64_t line_pitch = g.in[2] * g.pixel;
  const int64_t tw0 = s.merged ? 0 : first_strip % g.taps[2];
  const int64_t th0 = first_strip / s.per_row % g.taps[1], td0 = first_strip / s.per_row / g.taps[1];
  for (int64_t i = 0; i < rows; ++i, out += stride) {
    const int64_t d_in = d * g.step[0] + g.origin[0], h_in = h * g.step[1] + g.origin[1];
    const int64_t w_in = w * g.step[2] + g.origin[2];
    int64_t td = td0, th = th0, tw = tw0, from = k - first_strip * s.length;
    for (int64_t done = 0; done < kc;) {
      const int64_t to = std::min(s.length, from + kc - done);
      const int64_t dd = d_in + td * g.tap_step[0], hh = h_in + th * g.tap_step[1];
      const bool inside = dd >= 0 && dd < g.in[0] && hh >= 0 && hh < g.in[1];
      const float* line = inside ? g.input + ((n * g.in[0] + dd) * g.in[1] + hh) * line_pitch : nullptr;
      copy_strip(g, s, line, w_in + tw * g.tap_step[2], from, to, out + done);
      done += to - from;
      from = 0;
      if (++tw == s.per_row) {
        tw = 0;
        if (++th == g.taps[1]) th = 0, ++td;
      }
    }
    if (++w < g.size[2]) continue;
    w = 0;
    if (++h < g.size[1]) continue;
    h = 0;
    if (++d < g.size[0]) continue;
    d = 0;
    ++n;
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

GatherRows gather_rows(Isa isa) { return GF_SIMD_SELECT(isa, kGather.rows); }

}  // namespace gf::simd
#endif
