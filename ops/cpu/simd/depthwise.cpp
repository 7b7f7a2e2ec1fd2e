// Depthwise convolution: vectors run over channels; a tile of 8 output pixels shares weights and, at stride 1, inputs.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/depthwise.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/depthwise.h"
#include "ops/cpu/simd/math_util-inl.h"

#ifndef GF_SIMD_DEPTHWISE_TABLE
#define GF_SIMD_DEPTHWISE_TABLE
namespace gf::simd {
struct DepthwiseTable {
  /// One output row (n, oh).
  void (*row)(const DepthwiseArgs& a, int64_t n, int64_t oh);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// What every pixel of an output row shares: the taps of the kernel that fall inside the image vertically.
struct RowTaps {
  const float* in;        // first valid input row, column 0
  const float* weights;   // its kernel row
  int64_t count;          // valid kernel rows
  int64_t in_step, weight_step;
};

struct Clamp {
  F32Vec low, high;
  bool active;
  HWY_INLINE F32Vec operator()(F32Vec x) const {
    return active ? clip(x, low, high) : x;
  }
};

template <bool kPartial>
HWY_INLINE F32Vec load_channels(const float* p, size_t n) {
  return kPartial ? load_n(F32Tag(), p, n) : hn::LoadU(F32Tag(), p);
}

// kPixels output pixels from column ow on, one vector of channels; the kernel columns [k0, k1) are inside the image for
// all of them. kKernelW > 0: compile-time width, stride and dilation 1: each input vector is loaded once.
template <int kPixels, int kKernelW, bool kPartial>
HWY_INLINE void tile(const DepthwiseArgs& a, const RowTaps& taps, int64_t ow, int64_t k0, int64_t k1, int64_t c,
                     size_t partial, const Clamp& clamp, float* out) {
  const F32Tag d;
  const int64_t channels = a.channels;
  F32Vec acc[kPixels];
  const F32Vec bias = a.bias == nullptr ? hn::Zero(d) : load_channels<kPartial>(a.bias + c, partial);
  for (int p = 0; p < kPixels; ++p) acc[p] = bias;
  const float* in = taps.in + (ow * a.stride_w - a.pad_left) * channels + c;
  const float* weights = taps.weights + c;
  for (int64_t kh = 0; kh < taps.count; ++kh, in += taps.in_step, weights += taps.weight_step) {
    if constexpr (kKernelW > 0) {
      F32Vec w[kKernelW];
      for (int k = 0; k < kKernelW; ++k) w[k] = load_channels<kPartial>(weights + k * channels, partial);
      HWY_UNROLL(16)
      for (int j = 0; j < kPixels + kKernelW - 1; ++j) {
        const F32Vec x = load_channels<kPartial>(in + j * channels, partial);
        HWY_UNROLL(8)
        for (int k = 0; k < kKernelW; ++k) {
          if (j - k >= 0 && j - k < kPixels) acc[j - k] = hn::MulAdd(x, w[k], acc[j - k]);
        }
      }
    } else {
      for (int64_t k = k0; k < k1; ++k) {
        const F32Vec w = load_channels<kPartial>(weights + k * channels, partial);
        const float* x = in + k * a.dilation_w * channels;
        for (int p = 0; p < kPixels; ++p) {
          acc[p] = hn::MulAdd(load_channels<kPartial>(x + p * a.stride_w * channels, partial), w, acc[p]);
        }
      }
    }
  }
  for (int p = 0; p < kPixels; ++p) {
    if constexpr (kPartial) store_n(d, clamp(acc[p]), out + p * channels, partial);
    else hn::StoreU(clamp(acc[p]), d, out + p * channels);
  }
}

// Kernel columns that stay inside the image at output column ow.
HWY_INLINE void valid_columns(const DepthwiseArgs& a, int64_t ow, int64_t& k0, int64_t& k1) {
  const int64_t x = ow * a.stride_w - a.pad_left;
  k0 = x < 0 ? (-x + a.dilation_w - 1) / a.dilation_w : 0;
  k1 = x >= a.in_w ? 0 : (a.in_w - x + a.dilation_w - 1) / a.dilation_w;
  if (k1 > a.kernel_w) k1 = a.kernel_w;
  if (k0 > k1) k0 = k1;
}

// All channels of kPixels output pixels. Channels are the inner loop: a pixel's lie in a row, while pixels a power of two apart
// share a few sets of the first cache.
template <int kPixels, int kKernelW>
HWY_INLINE void pixels(const DepthwiseArgs& a, const RowTaps& taps, int64_t ow, int64_t k0, int64_t k1, const Clamp& clamp, float* out_row) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32Tag()));
  float* out = out_row + ow * a.channels;
#if GF_SMALL_LOOPS  // there are at least `lanes` channels; the last vector reaches back
  for (int64_t c = 0; c < a.channels; c += lanes) {
    if (c + lanes > a.channels) c = a.channels - lanes;
    tile<kPixels, kKernelW, false>(a, taps, ow, k0, k1, c, 0, clamp, out + c);
  }
#else
  int64_t c = 0;
  for (; c + lanes <= a.channels; c += lanes) tile<kPixels, kKernelW, false>(a, taps, ow, k0, k1, c, 0, clamp, out + c);
  if (c < a.channels) tile<kPixels, kKernelW, true>(a, taps, ow, k0, k1, c, static_cast<size_t>(a.channels - c), clamp, out + c);
#endif
}

template <int kKernelW>
HWY_INLINE void row_multiplier_one(const DepthwiseArgs& a, const RowTaps& taps, const Clamp& clamp, float* out_row) {
  // [inner0, inner1): output columns whose whole window lies inside the image
  const int64_t reach = (a.kernel_w - 1) * a.dilation_w;
  int64_t inner0 = (a.pad_left + a.stride_w - 1) / a.stride_w;
  int64_t inner1 = a.in_w - 1 - reach + a.pad_left < 0 ? 0 : (a.in_w - 1 - reach + a.pad_left) / a.stride_w + 1;
  if (inner1 > a.out_w) inner1 = a.out_w;
  if (inner0 > inner1) inner0 = inner1;
  constexpr int64_t kPixels = GF_SMALL_LOOPS ? 4 : 8;  // V8 keeps more than 8 vectors in memory
  for (int64_t ow = 0; ow < a.out_w;) {
    if (GF_SMALL_LOOPS && ow >= inner0 && ow + 2 <= inner1 && ow + kPixels > inner1 && inner0 + kPixels <= inner1) ow = inner1 - kPixels;  // computed twice
    if (ow >= inner0 && ow + kPixels <= inner1) {
      pixels<kPixels, kKernelW>(a, taps, ow, 0, a.kernel_w, clamp, out_row);
      ow += kPixels;
      continue;
    }
#if !GF_SMALL_LOOPS
    if (ow >= inner0 && ow + 2 <= inner1) {
      pixels<2, kKernelW>(a, taps, ow, 0, a.kernel_w, clamp, out_row);
      ow += 2;
      continue;
    }
#endif
    int64_t k0, k1;
    valid_columns(a, ow, k0, k1);
    pixels<1, 0>(a, taps, ow, k0, k1, clamp, out_row);
    ++ow;
  }
}

// multiplier > 1 and few channels: one input value at a time.
void row_any_multiplier(const DepthwiseArgs& a, const RowTaps& taps, float low, float high, bool clamp, float* out_row) {
  const int64_t m = a.multiplier, out_channels = a.channels * m;
  for (int64_t ow = 0; ow < a.out_w; ++ow) {
    int64_t k0, k1;
    valid_columns(a, ow, k0, k1);
    float* out = out_row + ow * out_channels;
    for (int64_t oc = 0; oc < out_channels; ++oc) out[oc] = a.bias == nullptr ? 0.0f : a.bias[oc];
    for (int64_t kh = 0; kh < taps.count; ++kh) {
      for (int64_t k = k0; k < k1; ++k) {
        const float* x = taps.in + kh * taps.in_step + (ow * a.stride_w - a.pad_left + k * a.dilation_w) * a.channels;
        const float* w = taps.weights + kh * taps.weight_step + k * out_channels;
        for (int64_t c = 0; c < a.channels; ++c) {
          for (int64_t j = 0; j < m; ++j) out[c * m + j] += x[c] * w[c * m + j];
        }
      }
    }
    if (!clamp) continue;
    for (int64_t oc = 0; oc < out_channels; ++oc) {
      const float x = out[oc] < low ? low : out[oc];
      out[oc] = x > high ? high : x;
    }
  }
}

void depthwise_row(const DepthwiseArgs& a, int64_t n, int64_t oh) {
  const F32Tag d;
  const int64_t out_channels = a.channels * a.multiplier;
  const int64_t y = oh * a.stride_h - a.pad_top;
  int64_t k0 = y < 0 ? (-y + a.dilation_h - 1) / a.dilation_h : 0;
  int64_t k1 = y >= a.in_h ? 0 : (a.in_h - y + a.dilation_h - 1) / a.dilation_h;
  if (k1 > a.kernel_h) k1 = a.kernel_h;
  if (k0 > k1) k0 = k1;
  RowTaps taps;
  taps.count = k1 - k0;
  taps.in_step = a.dilation_h * a.in_w * a.channels;
  taps.weight_step = a.kernel_w * out_channels;
  taps.weights = a.weights + k0 * taps.weight_step;
  // with no valid row `in` is not read; keep the pointer inside the array
  taps.in = a.in + (n * a.in_h + (taps.count > 0 ? y + k0 * a.dilation_h : 0)) * a.in_w * a.channels;
  const bool relu = a.activation.kind == Activation::Relu, active = relu || a.activation.kind == Activation::Clamp;
  const float low = relu ? 0.0f : a.activation.a, high = relu ? __builtin_inff() : a.activation.b;
  const Clamp clamp{hn::Set(d, low), hn::Set(d, high), active};
  float* out_row = a.out + (n * a.out_h + oh) * a.out_w * out_channels;
  if (a.multiplier != 1 || (GF_SMALL_LOOPS && a.channels < static_cast<int64_t>(hn::Lanes(d)))) return row_any_multiplier(a, taps, low, high, active, out_row);
  const bool dense = a.stride_w == 1 && a.dilation_w == 1;
  if (dense && a.kernel_w == 3) return row_multiplier_one<3>(a, taps, clamp, out_row);
  if (dense && a.kernel_w == 5) return row_multiplier_one<5>(a, taps, clamp, out_row);
  row_multiplier_one<0>(a, taps, clamp, out_row);
}

constexpr DepthwiseTable kDepthwiseTable = {depthwise_row};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/cpu/simd/gemm_kernels.h"

namespace gf::simd {

void depthwise_pack(const float* weights, int64_t out_channels, int64_t kernel_h, int64_t kernel_w, float* packed) {
  const int64_t taps = kernel_h * kernel_w;
  for (int64_t k = 0; k < taps; ++k) {
    for (int64_t c = 0; c < out_channels; ++c) packed[k * out_channels + c] = weights[c * taps + k];
  }
}

void depthwise_f32(Isa isa, const DepthwiseArgs& args, const ParallelFor& parallel) {
  const DepthwiseTable& table = GF_SIMD_SELECT(isa, kDepthwiseTable);
  const Activation kind = args.activation.kind;
  const bool after = kind != Activation::None && kind != Activation::Relu && kind != Activation::Clamp;
  const ActivateBlock activate = after ? activate_block(isa) : nullptr;
  const int64_t row = args.out_w * args.channels * args.multiplier;
  const int64_t work = row * args.kernel_h * args.kernel_w + 1;
  constexpr int64_t kTaskWork = 65536;  // multiplications per task
  parallel.chunks(args.batch * args.out_h, kTaskWork / work + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      table.row(args, r / args.out_h, r % args.out_h);
      if (after) activate(args.activation, args.out + r * row, row, 1, row);  // the row is still in the cache
    }
  });
}

}  // namespace gf::simd
#endif
