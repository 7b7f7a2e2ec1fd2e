// Gradient of a convolution's weights: tiles in registers, see conv_grad.h.
#include "ops/cpu/simd/conv_grad.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/rounded.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/conv_grad.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math_util-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

template <int kRows, int kVectors>
using Sums = F32Vec[kRows][kVectors];

// V8 keeps sums in memory where tiles of more than 8 or several pixels at once leave it few registers.
#if HWY_TARGET == HWY_WASM
constexpr bool kTwoChains = false;
#else
constexpr bool kTwoChains = true;
#endif

// Everything is unrolled, so that the sums stay in registers.
template <int kRows, int kVectors>
HWY_INLINE void add_pixel(const float* x, const float* g, size_t last, Sums<kRows, kVectors>& sums) {
  const F32Tag d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  F32Vec gradient[kVectors];
  GF_UNROLL(2)
  for (int v = 0; v + 1 < kVectors; ++v) gradient[v] = hn::LoadU(d, g + v * lanes);
  gradient[kVectors - 1] = load_up_to_in_loop(d, g + (kVectors - 1) * lanes, last);
  GF_UNROLL(16)
  for (int i = 0; i < kRows; ++i) {
    const F32Vec factor = hn::Set(d, x[i]);
    GF_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(factor, gradient[v], sums[i][v]);
  }
}

// Small tiles take several pixels at once: independent chains hide the latency of the sums.
template <int kRows, int kVectors>
void grad_tile(const GradTile& t) {
  constexpr int kSums = kRows * kVectors, kChains = kSums >= 8 || (kSums >= 4 && !kTwoChains) ? 1 : kSums >= 4 || !kTwoChains ? 2 : 4;
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t x_step = t.x_step, g_step = t.g_step, pixels = t.pixels;
  const size_t last = t.last;
  Sums<kRows, kVectors> sums[kChains];
  GF_UNROLL(4)
  for (int c = 0; c < kChains; ++c) {
    GF_UNROLL(16)
    for (int i = 0; i < kRows; ++i) {
      GF_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) sums[c][i][v] = hn::Zero(d);
    }
  }
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* x = t.x[r] + t.x_offset;
    const float* g = t.g[r] + t.g_offset;
    int64_t p = 0;
    for (; p + kChains <= pixels; p += kChains, x += kChains * x_step, g += kChains * g_step) {
      GF_UNROLL(4)
      for (int c = 0; c < kChains; ++c) add_pixel<kRows, kVectors>(x + c * x_step, g + c * g_step, last, sums[c]);
    }
    if constexpr (kChains > 1)
      for (; p < pixels; ++p, x += x_step, g += g_step) add_pixel<kRows, kVectors>(x, g, last, sums[0]);
  }
  GF_UNROLL(16)
  for (int i = 0; i < kRows; ++i) {
    GF_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      F32Vec sum = sums[0][i][v];
      GF_UNROLL(4)
      for (int c = 1; c < kChains; ++c) sum = hn::Add(sum, sums[c][i][v]);
      float* out = t.out + i * t.out_stride + v * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, out), sum), d, out);
    }
  }
}

void grad_depthwise(const GradTile& t) {
  const F32Tag d;
  const int64_t x_step = t.x_step, g_step = t.g_step;
  const size_t last = t.last;
  F32Vec s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* x = t.x[r] + t.x_offset;
    const float* g = t.g[r] + t.g_offset;
    int64_t p = 0;
#if GF_SMALL_LOOPS
    for (const int64_t whole = t.pixels & ~int64_t{3}; p < whole; ++p, x += x_step, g += g_step) {  // the four take turns
      const F32Vec next = hn::MulAdd(load_up_to_in_loop(d, x, last), load_up_to_in_loop(d, g, last), s0);
      s0 = s1;
      s1 = s2;
      s2 = s3;
      s3 = next;
    }
#else
    for (; p + 4 <= t.pixels; p += 4, x += 4 * x_step, g += 4 * g_step) {
      s0 = hn::MulAdd(load_up_to_in_loop(d, x, last), load_up_to_in_loop(d, g, last), s0);
      s1 = hn::MulAdd(load_up_to_in_loop(d, x + x_step, last), load_up_to_in_loop(d, g + g_step, last), s1);
      s2 = hn::MulAdd(load_up_to_in_loop(d, x + 2 * x_step, last), load_up_to_in_loop(d, g + 2 * g_step, last), s2);
      s3 = hn::MulAdd(load_up_to_in_loop(d, x + 3 * x_step, last), load_up_to_in_loop(d, g + 3 * g_step, last), s3);
    }
#endif
    for (; p < t.pixels; ++p, x += x_step, g += g_step) s0 = hn::MulAdd(load_up_to_in_loop(d, x, last), load_up_to_in_loop(d, g, last), s0);
  }
  const F32Vec sum = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  hn::StoreU(hn::Add(hn::LoadU(d, t.out), sum), d, t.out);
}

// As many sums as registers hold beside the factors: 24 of 32, 12 of 16; smaller tiles for what is left of a row. The scalar target,
// whose vectors have one lane, makes do with two.
#if HWY_TARGET == HWY_SCALAR
constexpr int kRowsHere = 4;
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr int kRowsHere = 12;
#elif HWY_TARGET == HWY_WASM
constexpr int kRowsHere = 4;
#else
constexpr int kRowsHere = 6;
#endif
constexpr int kMaxVectors = HWY_TARGET == HWY_SCALAR ? 1 : 2;
constexpr bool has_tile(int rows) {
  if (GF_SMALL_LOOPS) return rows <= 2 || rows == kRowsHere;
  if (kRowsHere == 4) return rows == 1 || rows == 4 || (rows <= 4 && kMaxVectors == 2);
  return rows == 1 || rows == 2 || rows == 5 || rows == kRowsHere || (rows == 8 && kRowsHere == 12);
}
template <int kRows, int kVectors>
constexpr auto tile_or_null() {
  using Function = void (*)(const GradTile&);
  if constexpr (has_tile(kRows) && kVectors <= kMaxVectors) return static_cast<Function>(grad_tile<kRows, kVectors>);
  else return static_cast<Function>(nullptr);
}
template <int... kRows>
constexpr ConvGradTable make_table(std::integer_sequence<int, kRows...>) {
  return {static_cast<int>(hn::MaxLanes(F32Tag())), kRowsHere, kMaxVectors, {{nullptr, nullptr}, {tile_or_null<kRows + 1, 1>(), tile_or_null<kRows + 1, 2>()}...},
          grad_depthwise};
}

}  // namespace

constexpr ConvGradTable kConvGradTable = make_table(std::make_integer_sequence<int, kMaxGradRows>());

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

const ConvGradTable& conv_grad_table(Isa isa) { return GF_SIMD_SELECT(isa, kConvGradTable); }

namespace {

using Form = ConvGradPlan::Form;

constexpr int64_t kTasksWanted = 16, kMostParts = 16;
constexpr int64_t kBandPixels = 128;  // dy of a band and of two vectors of channels stays in L1
constexpr int64_t kRoundedBandPixels = 192;  // the same where an element is a pair of pixels
constexpr int64_t kBandRows = 64;
constexpr int64_t kJoinedChannels = 24;  // from here on a tap alone fills tiles

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows of the next tile when `rest` are left: the largest there is, but no 12 + 4 where 8 + 8 will do.
int64_t tile_rows(const ConvGradTable& table, int64_t rest) {
  int64_t rows = std::min<int64_t>(rest, table.max_rows);
  if (rest == 16 && table.max_rows == 12) rows = 8;
  while (table.tile[rows][0] == nullptr) --rows;
  return rows;
}

/// Channels of one block, and where its sums lie: row (tap * in + c), column m.
struct Block {
  int64_t group, in_begin, in, out_begin, out;
};
Block block_at(const ConvGradPlan& plan, int64_t index) {
  const int64_t of_out = index % plan.out_blocks, rest = index / plan.out_blocks;
  const bool depthwise = plan.form == Form::Depthwise;
  const int64_t outs = depthwise ? plan.shape.out_channels : plan.shape.group_out(), ins = plan.shape.group_in();
  Block b{};
  b.group = rest / plan.in_blocks;
  b.in_begin = rest % plan.in_blocks * plan.block_in;
  b.in = std::min(plan.block_in, ins - b.in_begin);
  b.out_begin = of_out * plan.block_out;
  b.out = std::min(plan.block_out, outs - b.out_begin);
  return b;
}

/// Rows of dy of a band that meet the image through one row of the kernel, with the rows of x that they meet.
struct Band {
  int64_t rows = 0;
  const float *x[kBandRows], *g[kBandRows];
};

struct Task {
  const ConvGradPlan& plan;
  const ConvGradTable& table;
  const float *x, *dy;
  Block block;
  float *sums, *copies;
  const RoundedOps* rounded;

  int64_t stride() const { return div_up(plan.block_out, table.lanes) * table.lanes; }
  void gather(int64_t first, int64_t end, int64_t kh, Band& band) const;
  void add_tiles(const Band& band, GradTile tile, int64_t count, int64_t sum_row) const;
  void add_kernel_row(const Band& band, int64_t kh) const;
  template <class PixelAt>
  void round_pixels(int64_t pixels, int64_t channels, float* out, int64_t stride, PixelAt&& at) const;
  void add_rounded(const Band& band, int64_t kh) const;
  void run(int64_t first, int64_t end) const;
};

void Task::gather(int64_t first, int64_t end, int64_t kh, Band& band) const {
  const ConvGradShape& s = plan.shape;
  band.rows = 0;
  for (int64_t r = first; r < end; ++r) {
    const int64_t n = r / s.out_h, h = r % s.out_h * s.stride_h - s.pad_top + kh * s.dilation_h;
    if (h < 0 || h >= s.in_h) continue;
    const float* row = x + (n * s.in_h + h) * s.in_w * s.in_channels;
    if (plan.copy_floats > 0) {
      float* copy = copies + band.rows * plan.copy_floats;
      const int64_t width = plan.copy_floats / s.in_channels, inside = std::max<int64_t>(0, std::min(width - s.pad_left, s.in_w));
      const int64_t before = std::min(s.pad_left, width) * s.in_channels, held = inside * s.in_channels;
      std::memset(copy, 0, static_cast<size_t>(before) * sizeof(float));
      std::memcpy(copy + before, row, static_cast<size_t>(held) * sizeof(float));
      std::memset(copy + before + held, 0, static_cast<size_t>(plan.copy_floats - before - held) * sizeof(float));
      row = copy;
    }
    band.x[band.rows] = row;
    band.g[band.rows++] = dy + r * s.out_w * s.out_channels;
  }
}

/// `count` rows of sums from `sum_row` on, for all columns of the block; the tile says where x begins.
void Task::add_tiles(const Band& band, GradTile tile, int64_t count, int64_t sum_row) const {
  const int64_t lanes = table.lanes, x_begin = tile.x_offset, g_begin = tile.g_offset;
  tile.x = band.x;
  tile.g = band.g;
  tile.rows = band.rows;
  tile.out_stride = stride();
  for (int64_t m = 0; m < block.out;) {
    const int64_t vectors = block.out - m > lanes ? table.max_vectors : 1, columns = std::min(block.out - m, vectors * lanes);
    tile.last = static_cast<size_t>(columns - (vectors - 1) * lanes);
    tile.g_offset = g_begin + m;
    for (int64_t i = 0; i < count;) {
      const int64_t rows = tile_rows(table, count - i);
      tile.x_offset = x_begin + i;
      tile.out = sums + (sum_row + i) * tile.out_stride + m;
      table.tile[rows][vectors - 1](tile);
      i += rows;
    }
    m += columns;
  }
}

void Task::add_kernel_row(const Band& band, int64_t kh) const {
  const ConvGradShape& s = plan.shape;
  GradTile tile{};
  tile.x_step = s.stride_w * s.in_channels;
  tile.g_step = s.out_channels;
  const int64_t x_channel = block.group * s.group_in() + block.in_begin, g_channel = block.group * s.group_out() + block.out_begin;
  if (plan.form == Form::Joined) {
    tile.pixels = s.out_w;
    tile.g_offset = g_channel;
    return add_tiles(band, tile, s.kernel_w * s.in_channels, kh * s.kernel_w * s.in_channels);
  }
  for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
    // pixels of dy that this tap takes inside the image
    const int64_t shift = kw * s.dilation_w - s.pad_left;
    const int64_t begin = shift >= 0 ? 0 : div_up(-shift, s.stride_w);
    const int64_t end = shift >= s.in_w ? 0 : std::min(s.out_w, (s.in_w - 1 - shift) / s.stride_w + 1);
    if (begin >= end) continue;
    tile.pixels = end - begin;
    const int64_t first_x = (begin * s.stride_w + shift) * s.in_channels, first_g = begin * s.out_channels;
    if (plan.form == Form::PerTap) {
      tile.x_offset = first_x + x_channel;
      tile.g_offset = first_g + g_channel;
      add_tiles(band, tile, block.in, (kh * s.kernel_w + kw) * block.in);
      continue;
    }
    tile.x = band.x;
    tile.g = band.g;
    tile.rows = band.rows;
    for (int64_t m = 0; m < block.out; m += table.lanes) {
      tile.last = static_cast<size_t>(std::min<int64_t>(table.lanes, block.out - m));
      tile.x_offset = first_x + block.out_begin + m;
      tile.g_offset = first_g + block.out_begin + m;
      tile.out = sums + (kh * s.kernel_w + kw) * stride() + m;
      table.depthwise(tile);
    }
  }
}

/// Elements of `pixels` pixels; at(q) is where pixel q lies, nullptr outside the image.
template <class PixelAt>
void Task::round_pixels(int64_t pixels, int64_t channels, float* out, int64_t stride, PixelAt&& at) const {
  constexpr int64_t kPiece = 64;
  const float* places[kPiece];
  for (int64_t first = 0; first < pixels; first += kPiece) {
    const int64_t count = std::min(kPiece, pixels - first);
    for (int64_t q = 0; q < count; ++q) places[q] = at(first + q);
    rounded->interleave_runs(places, channels, count, out + first / rounded->values * stride, stride);
  }
}

/// The taps of a row of the kernel one after the other: pixels of both sides are rounded into elements, which tiles read as rows of pixels.
void Task::add_rounded(const Band& band, int64_t kh) const {
  const ConvGradShape& s = plan.shape;
  const int64_t x_channel = block.group * s.group_in() + block.in_begin, g_channel = block.group * s.group_out() + block.out_begin;
  const int64_t pixels = band.rows * s.out_w;
  float *x = copies, *g = copies + plan.x_elements;
  int64_t row = 0, column = 0;
  const auto next = [&] {
    if (++column == s.out_w) {
      column = 0;
      ++row;
    }
  };
  round_pixels(pixels, block.out, g, stride(), [&](int64_t) {
    const float* place = band.g[row] + column * s.out_channels + g_channel;
    next();
    return place;
  });
  if (block.out < stride())
    for (int64_t e = 0; e < div_up(pixels, rounded->values); ++e)
      std::memset(g + e * stride() + block.out, 0, static_cast<size_t>(stride() - block.out) * sizeof(float));
  Band elements;
  elements.rows = 1;
  elements.x[0] = x;
  elements.g[0] = g;
  GradTile tile{};
  tile.pixels = div_up(pixels, rounded->values);
  tile.x_step = block.in;
  tile.g_step = stride();
  for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
    const int64_t shift = kw * s.dilation_w - s.pad_left;
    row = column = 0;
    round_pixels(pixels, block.in, x, block.in, [&](int64_t) -> const float* {
      const int64_t w = column * s.stride_w + shift;
      const float* line = band.x[row];
      next();
      return w < 0 || w >= s.in_w ? nullptr : line + w * s.in_channels + x_channel;
    });
    add_tiles(elements, tile, block.in, (kh * s.kernel_w + kw) * block.in);
  }
}

/// Rows [first, end) of dy.
void Task::run(int64_t first, int64_t end) const {
  std::memset(sums, 0, static_cast<size_t>(plan.sum_floats) * sizeof(float));
  Band band;
  for (int64_t row = first; row < end; row += plan.band_rows)
    for (int64_t kh = 0; kh < plan.shape.kernel_h; ++kh) {
      gather(row, std::min(end, row + plan.band_rows), kh, band);
      if (band.rows == 0) continue;
      if (rounded != nullptr) add_rounded(band, kh);
      else add_kernel_row(band, kh);
    }
}

/// Sums of a block to their places, a few features side by side so that both sides are read and written in runs.
void write_block(const ConvGradPlan& plan, const Block& b, int64_t stride, const float* sums, float* dw) {
  constexpr int64_t kFeatures = 8;
  const int64_t taps = plan.shape.taps(), ins = plan.shape.group_in();
  const int64_t first = plan.form == Form::Depthwise ? 0 : b.group * plan.shape.group_out();
  for (int64_t m = 0; m < b.out; m += kFeatures) {
    const int64_t count = std::min(kFeatures, b.out - m);
    float* out = dw + ((first + b.out_begin + m) * ins + b.in_begin) * taps;
    for (int64_t c = 0; c < b.in; ++c)
      for (int64_t t = 0; t < taps; ++t, ++out)
        for (int64_t k = 0; k < count; ++k) out[k * ins * taps] = sums[(t * b.in + c) * stride + m + k];
  }
}

}  // namespace

ConvGradPlan conv_grad_plan(Isa isa, const ConvGradShape& s, const RoundedOps* rounded) {
  const ConvGradTable& table = rounded != nullptr ? *rounded->gradients : conv_grad_table(isa);
  ConvGradPlan p;
  p.isa = isa;
  p.shape = s;
  const int64_t taps = s.taps(), width = (s.out_w - 1) * s.stride_w + s.kernel_w;
  p.form = rounded != nullptr ? Form::PerTap
           : s.groups > 1 && s.group_in() == 1 && s.group_out() == 1                          ? Form::Depthwise
           : s.groups == 1 && s.dilation_w == 1 && s.in_channels < kJoinedChannels ? Form::Joined
                                                                                            : Form::PerTap;
  if (p.form == Form::Joined && (s.pad_left > 0 || width > s.in_w)) p.copy_floats = width * s.in_channels;
  const int64_t fitting = std::max<int64_t>(table.max_rows, 216 / taps / table.max_rows * table.max_rows);
  p.block_in = p.form == Form::PerTap ? std::min(s.group_in(), fitting) : s.group_in();
  p.block_out = std::min<int64_t>(p.form == Form::Depthwise ? s.out_channels : s.group_out(), int64_t{4} * table.lanes);
  p.in_blocks = div_up(s.group_in(), p.block_in);
  p.out_blocks = div_up(p.form == Form::Depthwise ? s.out_channels : s.group_out(), p.block_out);
  p.sum_floats = div_up(taps * p.block_in * div_up(p.block_out, table.lanes) * table.lanes, 16) * 16;
  p.band_rows = std::clamp<int64_t>((rounded != nullptr ? kRoundedBandPixels : kBandPixels) / std::max<int64_t>(s.out_w, 1), 1, kBandRows);
  p.parts = std::clamp<int64_t>(std::min(kTasksWanted / p.blocks(), s.batch * s.out_h / p.band_rows), 1, kMostParts);
  if (rounded != nullptr) {
    const int64_t elements = div_up(p.band_rows * s.out_w, rounded->values);
    p.x_elements = div_up(elements * p.block_in, 16) * 16;
    p.g_elements = elements * div_up(p.block_out, table.lanes) * table.lanes;
  }
  return p;
}

void conv_weight_grad(const ConvGradPlan& plan, const float* x, const float* dy, float* dw, void* shared, void* worker,
                      uint64_t worker_distance, const ParallelFor& parallel, const RoundedOps* rounded) {
  const ConvGradTable& table = rounded != nullptr ? *rounded->gradients : conv_grad_table(plan.isa);
  const int64_t rows = plan.shape.batch * plan.shape.out_h, blocks = plan.blocks();
  parallel(plan.parts * blocks, [&](int64_t index, int who) {
    const int64_t part = index / blocks, block = index % blocks;
    auto* own = reinterpret_cast<float*>(static_cast<unsigned char*>(worker) + static_cast<uint64_t>(who) * worker_distance);
    float* sums = plan.parts == 1 ? own : static_cast<float*>(shared) + index * plan.sum_floats;
    const Task task{plan, table, x, dy, block_at(plan, block), sums, plan.parts == 1 ? own + plan.sum_floats : own, rounded};
    task.run(part * rows / plan.parts, (part + 1) * rows / plan.parts);
    if (plan.parts == 1) write_block(plan, task.block, task.stride(), sums, dw);
  });
  if (plan.parts == 1) return;
  parallel(blocks, [&](int64_t block, int) {
    float* sums = static_cast<float*>(shared) + block * plan.sum_floats;
    for (int64_t part = 1; part < plan.parts; ++part) {
      const float* more = sums + part * blocks * plan.sum_floats;
      for (int64_t k = 0; k < plan.sum_floats; ++k) sums[k] += more[k];
    }
    write_block(plan, block_at(plan, block), div_up(plan.block_out, table.lanes) * table.lanes, sums, dw);
  });
}

}  // namespace gf::simd
#endif
