// Convolutions of few channels, see conv_direct.h. A plain one gives a tile of pixels x output channels as the sum over the rows of the
// kernel of (pixels' taps and channels, which lie side by side) x weights. A transposed one gives a tile of pixels x (taps of a row of
// the kernel and output channels) as the sum over the rows of the kernel, and adds it to a row of the output, pixel by pixel.
#include "ops/cpu/simd/conv_direct.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ops/cpu/simd/gemm_kernels.h"
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/conv_direct.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math_util-inl.h"

#ifndef GF_SIMD_CONV_DIRECT_TABLE
#define GF_SIMD_CONV_DIRECT_TABLE
namespace gf::simd {
inline constexpr int kMaxDirectRows = 12;
inline constexpr int64_t kMaxDirectKernel = 16;  ///< rows of a kernel

/// out[i, j] = bias[j] + sum over segments s and k of a[s][i * a_step + k] * b[s][k * b_stride + j]
struct DirectTile {
  const float *a[kMaxDirectKernel], *b[kMaxDirectKernel];
  int64_t segments, k, a_step, b_stride;
  const float* bias;  ///< or null
  float* out;
  int64_t out_stride;
  size_t last;        ///< columns that count in the last vector
};
struct ConvDirectTable {
  int lanes;
  int64_t max_rows;
  void (*tile[kMaxDirectRows + 1][2])(const DirectTile& t);  ///< [rows][vectors - 1]; nullptr: no such tile
  /// out[i * step + j] += tile[i * stride + j] for j < count, one i after the other
  void (*add_rows)(const float* tile, int64_t stride, int64_t rows, int64_t count, float* out, int64_t step);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
constexpr ConvDirectTable kConvDirectTable = {1, 0, {}, nullptr};  // without vectors nothing is gained
#else

template <int kRows, int kVectors>
void direct_tile(const DirectTile& t) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t a_step = t.a_step, b_stride = t.b_stride, count = t.k;
  F32Vec sums[kRows][kVectors];
  GF_UNROLL(2)
  for (int v = 0; v < kVectors; ++v) {
    F32Vec start = hn::Zero(d);
    if (t.bias != nullptr) start = v + 1 < kVectors ? hn::LoadU(d, t.bias + v * lanes) : load_up_to(d, t.bias + v * lanes, t.last);
    GF_UNROLL(16)
    for (int i = 0; i < kRows; ++i) sums[i][v] = start;
  }
  for (int64_t s = 0; s < t.segments; ++s) {
    const float* a = t.a[s];
    const float* b = t.b[s];
    for (int64_t k = 0; k < count; ++k, ++a, b += b_stride) {
      F32Vec weights[kVectors];
      GF_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) weights[v] = hn::LoadU(d, b + v * lanes);
      GF_UNROLL(16)
      for (int i = 0; i < kRows; ++i) {
        const F32Vec x = hn::Set(d, a[i * a_step]);
        GF_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(x, weights[v], sums[i][v]);
      }
    }
  }
  GF_UNROLL(16)
  for (int i = 0; i < kRows; ++i) {
    float* out = t.out + i * t.out_stride;
    GF_UNROLL(2)
    for (int v = 0; v + 1 < kVectors; ++v) hn::StoreU(sums[i][v], d, out + v * lanes);
    store_up_to(d, sums[i][kVectors - 1], out + (kVectors - 1) * lanes, t.last);
  }
}

void add_rows(const float* tile, int64_t stride, int64_t rows, int64_t count, float* out, int64_t step) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i, tile += stride, out += step) {
    int64_t j = 0;
    for (; j + lanes <= count; j += lanes) hn::StoreU(hn::Add(hn::LoadU(d, out + j), hn::LoadU(d, tile + j)), d, out + j);
    if (j < count) {
      const auto rest = static_cast<size_t>(count - j);
      store_n(d, hn::Add(load_n(d, out + j, rest), load_n(d, tile + j, rest)), out + j, rest);
    }
  }
}

// As many sums as registers hold beside the weights; smaller tiles for the end of a row.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr int kRowsHere = 12;
#elif HWY_TARGET == HWY_WASM
constexpr int kRowsHere = 4;  // V8 keeps more than 8 sums in memory
#else
constexpr int kRowsHere = 6;
#endif
template <int kRows, int kVectors>
constexpr auto tile_or_null() {
  using Function = void (*)(const DirectTile&);
  if constexpr ((kRows <= 2 && !(GF_SMALL_LOOPS && kRows == 2)) || kRows == kRowsHere || (kRowsHere == 12 && (kRows == 4 || kRows == 6)))
    return static_cast<Function>(direct_tile<kRows, kVectors>);
  else return static_cast<Function>(nullptr);
}
template <int... kRows>
constexpr ConvDirectTable make_table(std::integer_sequence<int, kRows...>) {
  return {static_cast<int>(hn::MaxLanes(F32Tag())), kRowsHere, {{nullptr, nullptr}, {tile_or_null<kRows + 1, 1>(), tile_or_null<kRows + 1, 2>()}...}, add_rows};
}
constexpr ConvDirectTable kConvDirectTable = make_table(std::make_integer_sequence<int, kMaxDirectRows>());
#endif

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

constexpr int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

const ConvDirectTable& table_of(Isa isa) { return GF_SIMD_SELECT(isa, kConvDirectTable); }

/// Columns of the product: output channels; transposed: those of every tap of a row of the kernel.
int64_t width_of(const DirectConvPlan& p) { return p.transposed ? p.shape.kernel_w * p.shape.out_channels : p.shape.out_channels; }
/// Rows of weights for a row of the kernel.
int64_t depth_of(const DirectConvPlan& p) { return p.transposed ? p.shape.in_channels : p.shape.kernel_w * p.shape.in_channels; }

/// [kernel_h, depth, columns]
void pack(const DirectConvPlan& plan, const float* weights, float* out) {
  const DirectConvShape& s = plan.shape;
  std::memset(out, 0, static_cast<size_t>(plan.packed_floats) * sizeof(float));
  const int64_t second = plan.transposed ? s.out_channels : s.in_channels, taps = s.kernel_h * s.kernel_w;
  for (int64_t kh = 0; kh < s.kernel_h; ++kh)
    for (int64_t kw = 0; kw < s.kernel_w; ++kw)
      for (int64_t i = 0; i < s.in_channels; ++i)
        for (int64_t o = 0; o < s.out_channels; ++o) {
          const int64_t from = ((plan.transposed ? i * second + o : o * second + i) * taps) + kh * s.kernel_w + kw;
          const int64_t row = plan.transposed ? kh * s.in_channels + i : (kh * s.kernel_w + kw) * s.in_channels + i;
          out[row * plan.columns + (plan.transposed ? kw * s.out_channels + o : o)] = weights[from];
        }
}

struct Row {
  const DirectConvPlan& plan;
  const DirectConvArgs& args;
  const ConvDirectTable& table;
  float* scratch;
  int64_t held[kMaxDirectKernel];  ///< row of the input that each copy holds: the next row of the output sees most of them again

  void plain(int64_t n, int64_t oh);
  void transposed(int64_t n, int64_t oh) const;
  const float* padded(int64_t row, int64_t slot);
  void tiles(DirectTile& tile, int64_t pixels, int64_t width, float* sums) const;
  void activate(float* out) const {
    const DirectConvShape& s = plan.shape;
    if (args.activation.kind != Activation::None)
      activate_block(plan.isa)(args.activation, out, s.out_channels, s.out_w, s.out_channels);
  }
};

/// A row of the input with its padding.
const float* Row::padded(int64_t row, int64_t slot) {
  const DirectConvShape& s = plan.shape;
  float* copy = scratch + slot * plan.row_floats;
  if (held[slot] == row) return copy;
  held[slot] = row;
  const int64_t before = s.pad_left * s.in_channels, size = std::min(plan.row_floats - before, s.in_w * s.in_channels);
  std::memset(copy, 0, static_cast<size_t>(plan.row_floats) * sizeof(float));
  if (size > 0) std::memcpy(copy + before, args.in + row * s.in_w * s.in_channels, static_cast<size_t>(size) * sizeof(float));
  return copy;
}

/// The product for `pixels` pixels in tiles of rows; tile.a moves along. A plain convolution's tiles lie one behind the other; those of a
/// transposed one (`sums`: its row of the output) are added to it.
void Row::tiles(DirectTile& tile, int64_t pixels, int64_t width, float* sums) const {
  const int64_t lanes = table.lanes, step = plan.shape.stride_w * plan.shape.out_channels;
  const float *bias = tile.bias, *first_b[kMaxDirectKernel];
  for (int64_t s = 0; s < tile.segments; ++s) first_b[s] = tile.b[s];
  for (int64_t p = 0; p < pixels;) {
    int64_t rows = std::min(pixels - p, table.max_rows);
    while (table.tile[rows][0] == nullptr) --rows;
    float* out = tile.out;
    for (int64_t j = 0; j < width;) {
      const int64_t vectors = width - j > lanes ? 2 : 1, columns = std::min(width - j, vectors * lanes);
      for (int64_t s = 0; s < tile.segments; ++s) tile.b[s] = first_b[s] + j;
      tile.bias = bias == nullptr ? nullptr : bias + j;
      tile.out = out + j;
      tile.last = static_cast<size_t>(columns - (vectors - 1) * lanes);
      table.tile[rows][vectors - 1](tile);
      j += columns;
    }
    tile.out = out;
    for (int64_t s = 0; s < tile.segments; ++s) tile.a[s] += rows * tile.a_step;
    if (sums != nullptr) table.add_rows(out, plan.columns, rows, width, sums + p * step, step);
    else tile.out += rows * width;
    p += rows;
  }
}

void Row::plain(int64_t n, int64_t oh) {
  const DirectConvShape& s = plan.shape;
  const auto* packed = static_cast<const float*>(args.shared);
  DirectTile tile{};
  tile.k = depth_of(plan);
  tile.a_step = s.stride_w * s.in_channels;
  tile.b_stride = plan.columns;
  tile.bias = args.bias;
  tile.out_stride = s.out_channels;
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t h = oh * s.stride_h - s.pad_top + kh * s.dilation_h;
    if (h < 0 || h >= s.in_h) continue;
    const int64_t row = n * s.in_h + h, slot = s.dilation_h == 1 ? h % s.kernel_h : kh;
    tile.a[tile.segments] = plan.row_floats > 0 ? padded(row, slot) : args.in + row * s.in_w * s.in_channels;
    tile.b[tile.segments++] = packed + kh * tile.k * plan.columns;
  }
  float* out = args.out + (n * s.out_h + oh) * s.out_w * s.out_channels;
  tile.out = out;
  tiles(tile, s.out_w, s.out_channels, nullptr);
  activate(out);
}

void Row::transposed(int64_t n, int64_t oh) const {
  const DirectConvShape& s = plan.shape;
  const auto* packed = static_cast<const float*>(args.shared);
  float *sums = scratch, *products = scratch + plan.row_floats;
  std::memset(sums, 0, static_cast<size_t>(plan.row_floats) * sizeof(float));
  DirectTile tile{};
  tile.k = s.in_channels;
  tile.a_step = s.in_channels;
  tile.b_stride = tile.out_stride = plan.columns;
  tile.out = products;
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const int64_t reach = oh + s.pad_top - kh * s.dilation_h;
    if (reach < 0 || reach % s.stride_h != 0 || reach / s.stride_h >= s.in_h) continue;
    tile.a[tile.segments] = args.in + (n * s.in_h + reach / s.stride_h) * s.in_w * s.in_channels;
    tile.b[tile.segments++] = packed + kh * s.in_channels * plan.columns;
  }
  if (tile.segments > 0) tiles(tile, s.in_w, width_of(plan), sums);
  float* out = args.out + (n * s.out_h + oh) * s.out_w * s.out_channels;
  const int64_t from = s.pad_left * s.out_channels, size = s.out_w * s.out_channels;
  std::memcpy(out, sums + from, static_cast<size_t>(size) * sizeof(float));
  if (args.bias != nullptr)
    for (int64_t w = 0; w < s.out_w; ++w)
      for (int64_t c = 0; c < s.out_channels; ++c) out[w * s.out_channels + c] += args.bias[c];
  activate(out);
}

}  // namespace

int direct_conv_lanes(Isa isa) { return table_of(isa).lanes; }

DirectConvPlan direct_conv_plan(Isa isa, bool transposed, const DirectConvShape& s) {
  const int64_t lanes = table_of(isa).lanes;
  DirectConvPlan p;
  p.isa = isa;
  p.transposed = transposed;
  p.shape = s;
  p.columns = round_up(width_of(p), lanes);
  p.packed_floats = round_up(s.kernel_h * depth_of(p) * p.columns, 16);
  if (transposed) {
    const int64_t reached = (s.in_w - 1) * s.stride_w + s.kernel_w;
    p.row_floats = round_up(std::max(reached, s.pad_left + s.out_w) * s.out_channels, 16);
    p.tile_floats = kMaxDirectRows * p.columns;
  } else {
    const int64_t width = (s.out_w - 1) * s.stride_w + s.kernel_w;
    if (s.pad_left > 0 || width > s.in_w) p.row_floats = width * s.in_channels;
  }
  return p;
}

void direct_conv(const DirectConvPlan& plan, const DirectConvArgs& args, const ParallelFor& parallel) {
  const ConvDirectTable& table = table_of(plan.isa);
  pack(plan, args.weights, static_cast<float*>(args.shared));
  const DirectConvShape& s = plan.shape;
  constexpr int64_t kTaskWork = 1 << 17;  // multiply-adds
  const int64_t work = (plan.transposed ? s.in_w : s.out_w) * s.kernel_h * depth_of(plan) * plan.columns;
  parallel.chunks(s.batch * s.out_h, kTaskWork / work + 1, [&](int64_t begin, int64_t end, int worker) {
    auto* own = reinterpret_cast<float*>(static_cast<unsigned char*>(args.worker) + static_cast<uint64_t>(worker) * args.worker_distance);
    Row row{plan, args, table, own, {}};
    std::fill(row.held, row.held + kMaxDirectKernel, -1);
    for (int64_t r = begin; r < end; ++r) {
      if (plan.transposed) row.transposed(r / s.out_h, r % s.out_h);
      else row.plain(r / s.out_h, r % s.out_h);
    }
  });
}

}  // namespace gf::simd
#endif
