// Pooling: vectors run over channels, windows are cut at the border of the image.
#include <cstring>

#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/pool.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math-inl.h"
#include "ops/cpu/simd/pool.h"

#ifndef GF_SIMD_POOL_TABLE
#define GF_SIMD_POOL_TABLE
namespace gf::simd {
/// The part of a window inside the image.
struct PoolWindow {
  const float* first;
  int64_t rows, cols, row_step, col_step, channels;
  float divisor;
};
struct PoolTable {
  void (*max)(const PoolWindow& w, float* out);
  void (*average)(const PoolWindow& w, float* out);
  void (*lp)(const PoolWindow& w, float p, float* out);
  void (*max_grad)(const PoolWindow& w, const float* dy, float* dx, bool alone);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

struct MaxOp {
  static F32Vec start() { return hn::Set(F32Tag(), -__builtin_inff()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const { return max_nan(acc, x); }
  HWY_INLINE F32Vec finish(F32Vec acc) const { return acc; }
};
struct AverageOp {
  F32Vec divisor;
  static F32Vec start() { return hn::Zero(F32Tag()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const { return hn::Add(acc, x); }
  HWY_INLINE F32Vec finish(F32Vec acc) const { return hn::Div(acc, divisor); }
};
#if !GF_SMALL_LOOPS
struct L1Op {
  static F32Vec start() { return hn::Zero(F32Tag()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const { return hn::Add(acc, hn::Abs(x)); }
  HWY_INLINE F32Vec finish(F32Vec acc) const { return acc; }
};
struct L2Op {
  static F32Vec start() { return hn::Zero(F32Tag()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const { return hn::MulAdd(x, x, acc); }
  HWY_INLINE F32Vec finish(F32Vec acc) const { return hn::Sqrt(acc); }
};
struct LpOp {
  F32Vec p, inverse;
  static F32Vec start() { return hn::Zero(F32Tag()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const { return hn::Add(acc, v_pow(F32Tag(), hn::Abs(x), p)); }
  HWY_INLINE F32Vec finish(F32Vec acc) const { return v_pow(F32Tag(), acc, inverse); }
};
#else
struct LpOp {  // any p
  float p;
  static F32Vec start() { return hn::Zero(F32Tag()); }
  HWY_INLINE F32Vec add(F32Vec acc, F32Vec x) const {
    const F32Tag d;
    return hn::Add(acc, p == 1.0f ? hn::Abs(x) : p == 2.0f ? hn::Mul(x, x) : v_pow(d, hn::Abs(x), hn::Set(d, p)));
  }
  HWY_INLINE F32Vec finish(F32Vec acc) const {
    const F32Tag d;
    return p == 1.0f ? acc : p == 2.0f ? hn::Sqrt(acc) : v_pow(d, acc, hn::Set(d, 1.0f / p));
  }
};
#endif

// kVectors vectors of channels at once: independent chains hide the latency of max and add.
template <int kVectors, class Op>
HWY_INLINE void window(const PoolWindow& w, int64_t c, const Op& op, float* out) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  F32Vec acc[kVectors];
  for (int v = 0; v < kVectors; ++v) acc[v] = Op::start();
  for (int64_t r = 0; r < w.rows; ++r) {
    const float* p = w.first + r * w.row_step + c;
    for (int64_t k = 0; k < w.cols; ++k, p += w.col_step) {
      for (int v = 0; v < kVectors; ++v) acc[v] = op.add(acc[v], hn::LoadU(d, p + v * lanes));
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(op.finish(acc[v]), d, out + c + v * lanes);
}

// One vector of `count` channels, all lanes or fewer.
template <class Op>
HWY_INLINE void window_of_one(const PoolWindow& w, int64_t c, size_t count, const Op& op, float* out) {
  const F32Tag d;
  F32Vec acc = Op::start();
  for (int64_t r = 0; r < w.rows; ++r) {
    const float* p = w.first + r * w.row_step + c;
    for (int64_t k = 0; k < w.cols; ++k, p += w.col_step) acc = op.add(acc, load_up_to_in_loop(d, p, count));
  }
  store_up_to(d, op.finish(acc), out + c, count);
}

template <class Op>
HWY_INLINE void pool_window(const PoolWindow& w, const Op& op, float* out) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 4 * lanes <= w.channels; c += 4 * lanes) window<4>(w, c, op, out);
#if GF_SMALL_LOOPS
  for (; c < w.channels; c += lanes) window_of_one(w, c, static_cast<size_t>(w.channels - c < lanes ? w.channels - c : lanes), op, out);
#else
  for (; c + lanes <= w.channels; c += lanes) window<1>(w, c, op, out);
  if (c < w.channels) window_of_one(w, c, static_cast<size_t>(w.channels - c), op, out);
#endif
}

void max_window(const PoolWindow& w, float* out) { pool_window(w, MaxOp{}, out); }
void average_window(const PoolWindow& w, float* out) {
  pool_window(w, AverageOp{hn::Set(F32Tag(), w.divisor)}, out);
}
void lp_window(const PoolWindow& w, float p, float* out) {
#if GF_SMALL_LOOPS
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32Tag()));
  for (int64_t c = 0; c < w.channels; c += lanes)
    window_of_one(w, c, static_cast<size_t>(w.channels - c < lanes ? w.channels - c : lanes), LpOp{p}, out);
#else
  const F32Tag d;
  if (p == 1.0f) return pool_window(w, L1Op{}, out);
  if (p == 2.0f) return pool_window(w, L2Op{}, out);
  pool_window(w, LpOp{hn::Set(d, p), hn::Set(d, 1.0f / p)}, out);
#endif
}

// Where the greatest element is: its place in the window, counted in f32 (exact: windows have fewer than 2^24 elements). dx has the
// steps of w. `alone`: no other window meets these elements, nothing is added to (a load right behind masked stores would wait for them).
template <class Load, class Store>
HWY_INLINE void max_grad_vector(const PoolWindow& w, int64_t c, F32Vec dy, float* dx, bool alone, const Load& load, const Store& store) {
  const F32Tag d;
  const int64_t rows = w.rows, cols = w.cols, row_step = w.row_step, col_step = w.col_step;
  const F32Vec one = hn::Set(d, 1.0f);
  F32Vec best = hn::Set(d, -__builtin_inff()), at = hn::Zero(d), number = at;
  const float* from = w.first + c;
  for (int64_t r = 0; r < rows; ++r, from += row_step) {
    const float* p = from;
    for (int64_t k = 0; k < cols; ++k, p += col_step, number = hn::Add(number, one)) {
      const F32Vec x = load(p);
      const auto better = hn::Or(hn::Gt(x, best), hn::IsNaN(x));
      best = hn::IfThenElse(better, x, best);  // a NaN stays: no number is greater
      at = hn::IfThenElse(better, number, at);
    }
  }
  number = hn::Zero(d);
  float* to = dx + c;
  for (int64_t r = 0; r < rows; ++r, to += row_step) {
    float* p = to;
    for (int64_t k = 0; k < cols; ++k, p += col_step, number = hn::Add(number, one)) {
      const F32Vec part = hn::IfThenElseZero(hn::Eq(at, number), dy);
      store(alone ? part : hn::Add(load(p), part), p);
    }
  }
}

void max_grad_window(const PoolWindow& w, const float* dy, float* dx, bool alone) {
  for_long_bodies(w.channels, [&](int64_t c, auto load, auto store) HWY_ATTR { max_grad_vector(w, c, load(dy + c), dx, alone, load, store); });
}

constexpr PoolTable kPoolTable = {max_window, average_window, lp_window, max_grad_window};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

// Positions first + k * step, k in [0, count): those inside [0, size) and how many lie inside [-before, size + after).
struct Span {
  int64_t k0, k1, padded;
};
Span span_of(int64_t first, int64_t step, int64_t count, int64_t size, int64_t after) {
  if (first >= 0 && first + (count - 1) * step < size) return {0, count, count};  // nearly always, and without divisions
  const auto below = [&](int64_t end) {  // how many positions are < end
    const int64_t n = end <= first ? 0 : (end - first + step - 1) / step;
    return n < count ? n : count;
  };
  const int64_t k0 = below(0), k1 = below(size);
  return {k0, k1, below(size + after)};  // the first position is never before the padding
}

void write_indices(const PoolArgs& a, int64_t n, const Span& y, const Span& x, int64_t top, int64_t left,
                   int64_t* indices) {
  for (int64_t c = 0; c < a.channels; ++c) {
    int64_t best_h = 0, best_w = 0;
    float best = 0;
    bool any = false;
    for (int64_t kh = y.k0; kh < y.k1; ++kh) {
      for (int64_t kw = x.k0; kw < x.k1; ++kw) {
        const int64_t h = top + kh * a.dilation_h, w = left + kw * a.dilation_w;
        const float v = a.in[((n * a.in_h + h) * a.in_w + w) * a.channels + c];
        if (any && !(v > best || (v != v && best == best))) continue;
        any = true;
        best = v;
        best_h = h;
        best_w = w;
      }
    }
    const int64_t plane = (n * a.channels + c) * a.in_h * a.in_w;
    indices[c] = plane + (a.column_major_index ? best_w * a.in_h + best_h : best_h * a.in_w + best_w);
  }
}

/// The part of a window of image n inside the image, for all channels.
PoolWindow window_at(const PoolArgs& a, int64_t n, const Span& y, const Span& x, int64_t top, int64_t left) {
  PoolWindow w;
  w.rows = y.k1 - y.k0;
  w.cols = x.k1 - x.k0;
  const bool empty = w.rows <= 0 || w.cols <= 0;
  w.first = empty ? a.in
                  : a.in + ((n * a.in_h + top + y.k0 * a.dilation_h) * a.in_w + left + x.k0 * a.dilation_w) * a.channels;
  w.row_step = a.dilation_h * a.in_w * a.channels;
  w.col_step = a.dilation_w * a.channels;
  w.channels = a.channels;
  w.divisor = static_cast<float>(a.count_include_pad ? y.padded * x.padded : w.rows * w.cols);
  return w;
}

void pool_row(const PoolTable& table, PoolKind kind, const PoolArgs& a, int64_t n, int64_t oh) {
  const int64_t top = oh * a.stride_h - a.pad_top;
  const Span y = span_of(top, a.dilation_h, a.kernel_h, a.in_h, a.pad_bottom);
  for (int64_t ow = 0; ow < a.out_w; ++ow) {
    const int64_t left = ow * a.stride_w - a.pad_left;
    const Span x = span_of(left, a.dilation_w, a.kernel_w, a.in_w, a.pad_right);
    const PoolWindow w = window_at(a, n, y, x, top, left);
    const int64_t offset = ((n * a.out_h + oh) * a.out_w + ow) * a.channels;
    if (kind == PoolKind::Max) {
      table.max(w, a.out + offset);
      if (a.indices != nullptr) write_indices(a, n, y, x, top, left, a.indices + offset);
    } else if (kind == PoolKind::Average) {
      table.average(w, a.out + offset);
    } else {
      table.lp(w, static_cast<float>(a.p), a.out + offset);
    }
  }
}

/// All windows of an image, in their order, for channels [c, c + count).
void max_grad_image(const PoolTable& table, const PoolArgs& a, int64_t n, int64_t c, int64_t count, const float* dy, float* dx) {
  float* image = dx + n * a.in_h * a.in_w * a.channels;
  const bool alone = (a.kernel_h - 1) * a.dilation_h < a.stride_h && (a.kernel_w - 1) * a.dilation_w < a.stride_w;
  // windows side by side write every element
  const bool covered = alone && a.kernel_h == a.stride_h && a.kernel_w == a.stride_w && a.pad_top == 0 && a.pad_left == 0 &&
                       a.out_h * a.stride_h >= a.in_h && a.out_w * a.stride_w >= a.in_w;
  if (!covered && count == a.channels) std::memset(image, 0, static_cast<size_t>(a.in_h * a.in_w * a.channels) * sizeof(float));
  else if (!covered)
    for (int64_t p = 0; p < a.in_h * a.in_w; ++p) std::memset(image + p * a.channels + c, 0, static_cast<size_t>(count) * sizeof(float));
  for (int64_t oh = 0; oh < a.out_h; ++oh) {
    const int64_t top = oh * a.stride_h - a.pad_top;
    const Span y = span_of(top, a.dilation_h, a.kernel_h, a.in_h, a.pad_bottom);
    for (int64_t ow = 0; ow < a.out_w; ++ow) {
      const int64_t left = ow * a.stride_w - a.pad_left;
      PoolWindow w = window_at(a, n, y, span_of(left, a.dilation_w, a.kernel_w, a.in_w, a.pad_right), top, left);
      if (w.rows <= 0 || w.cols <= 0) continue;
      w.first += c;
      w.channels = count;
      table.max_grad(w, dy + ((n * a.out_h + oh) * a.out_w + ow) * a.channels + c, dx + (w.first - a.in), alone);
    }
  }
}

}  // namespace

void max_pool_grad_f32(Isa isa, const PoolArgs& args, const float* dy, float* dx, const ParallelFor& parallel) {
  const PoolTable& table = GF_SIMD_SELECT(isa, kPoolTable);
  constexpr int64_t kChannels = 64, kTaskWork = 65536;
  const int64_t blocks = (args.channels + kChannels - 1) / kChannels;
  const int64_t work = args.in_h * args.in_w * (args.channels < kChannels ? args.channels : kChannels) + 1;
  parallel.chunks(args.batch * blocks, kTaskWork / work + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t c = t % blocks * kChannels;
      max_grad_image(table, args, t / blocks, c, args.channels - c < kChannels ? args.channels - c : kChannels, dy, dx);
    }
  });
}

void pool_f32(Isa isa, PoolKind kind, const PoolArgs& args, const ParallelFor& parallel) {
  const PoolTable& table = GF_SIMD_SELECT(isa, kPoolTable);
  const int64_t work = args.out_w * args.channels * args.kernel_h * args.kernel_w + 1;
  constexpr int64_t kTaskWork = 65536;
  parallel.chunks(args.batch * args.out_h, kTaskWork / work + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) pool_row(table, kind, args, r / args.out_h, r % args.out_h);
  });
}

}  // namespace gf::simd
#endif
