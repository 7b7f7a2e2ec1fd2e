// Transforms of winograd.h with SIMD128; four channels at a time. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
// (2016): Y = A' [(G g G') . (B' d B)] A. Rows are combined two at a time, so that V8 holds everything in 16 registers.
#include "ops/wasm/winograd.h"

#include <wasm_simd128.h>

#include <algorithm>
#include <cstring>

#include "ops/cpu/simd/gemm.h"
#include "ops/cpu/simd/gemm_kernels.h"

namespace gf::simd {
namespace {

constexpr int64_t kPoints = 16;
constexpr int64_t kBlockFloats = 64 * 1024;  // inputs and outputs of a task's products: half of a small L2

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr uint64_t round_up(uint64_t bytes) { return (bytes + kGemmAlignment - 1) / kGemmAlignment * kGemmAlignment; }

int64_t row_floats(int64_t channels) { return div_up(channels, 4) * 4; }

/// G g G' of one 3x3 filter.
void transform_filter(const float* g, float* out) {
  float half[4][3];  // G g
  for (int x = 0; x < 3; ++x) {
    const float a = g[x], b = g[3 + x], c = g[6 + x];
    half[0][x] = a;
    half[1][x] = 0.5F * (a + b + c);
    half[2][x] = 0.5F * (a - b + c);
    half[3][x] = c;
  }
  for (int y = 0; y < 4; ++y) {
    const float a = half[y][0], b = half[y][1], c = half[y][2];
    out[4 * y + 0] = a;
    out[4 * y + 1] = 0.5F * (a + b + c);
    out[4 * y + 2] = 0.5F * (a - b + c);
    out[4 * y + 3] = c;
  }
}

/// B' of four vectors, written `step` apart.
inline void store_points(v128_t a, v128_t b, v128_t c, v128_t d, float* out, int64_t step) {
  wasm_v128_store(out, wasm_f32x4_sub(a, c));
  wasm_v128_store(out + step, wasm_f32x4_add(b, c));
  wasm_v128_store(out + 2 * step, wasm_f32x4_sub(c, b));
  wasm_v128_store(out + 3 * step, wasm_f32x4_sub(b, d));
}

/// One tile of inputs: pixel p of the 4x4 is at from[p]; point p goes to out + p * step.
using TransformInput = void (*)(const float* const* from, int64_t channels, float* out, int64_t step);
void transform_input(const float* const* from, int64_t channels, float* out, int64_t step) {
  const auto row = [&](int y, int64_t c, v128_t(&v)[4]) {
    for (int x = 0; x < 4; ++x) v[x] = wasm_v128_load(from[4 * y + x] + c);
  };
  const auto write = [&](const v128_t(&a)[4], const v128_t(&b)[4], bool minus, float* to) {
    v128_t t[4];
    for (int x = 0; x < 4; ++x) t[x] = minus ? wasm_f32x4_sub(a[x], b[x]) : wasm_f32x4_add(a[x], b[x]);
    store_points(t[0], t[1], t[2], t[3], to, step);
  };
  for (int64_t c = 0; c < channels; c += 4, out += 4) {
    v128_t a[4], b[4];
    row(1, c, a);
    row(2, c, b);
    write(a, b, false, out + 4 * step);
    write(b, a, true, out + 8 * step);
    v128_t other[4];
    row(0, c, other);
    write(other, b, true, out);
    row(3, c, other);
    write(a, other, true, out + 12 * step);
  }
}

/// A' M A of one tile: four sums per channel, [2][2][channels] at out. Point p is at from + p * step.
using TransformOutput = void (*)(const float* from, int64_t step, const float* bias, int64_t channels, float* out);
void transform_output(const float* from, int64_t step, const float* bias, int64_t channels, float* out) {
  const int64_t stride = row_floats(channels);
  for (int64_t c = 0; c < channels; c += 4, from += 4) {
    v128_t top[4], bottom[4];
    for (int x = 0; x < 4; ++x) {
      const float* p = from + x * step;
      const v128_t m1 = wasm_v128_load(p + 4 * step), m2 = wasm_v128_load(p + 8 * step);
      top[x] = wasm_f32x4_add(wasm_v128_load(p), wasm_f32x4_add(m1, m2));
      bottom[x] = wasm_f32x4_sub(wasm_f32x4_sub(m1, m2), wasm_v128_load(p + 12 * step));
    }
    const v128_t b = wasm_v128_load(bias + c);
    const v128_t top_sum = wasm_f32x4_add(top[1], top[2]), bottom_sum = wasm_f32x4_add(bottom[1], bottom[2]);
    wasm_v128_store(out + c, wasm_f32x4_add(wasm_f32x4_add(top[0], top_sum), b));
    wasm_v128_store(out + stride + c, wasm_f32x4_add(wasm_f32x4_sub(wasm_f32x4_sub(top[1], top[2]), top[3]), b));
    wasm_v128_store(out + 2 * stride + c, wasm_f32x4_add(wasm_f32x4_add(bottom[0], bottom_sum), b));
    wasm_v128_store(out + 3 * stride + c, wasm_f32x4_add(wasm_f32x4_sub(wasm_f32x4_sub(bottom[1], bottom[2]), bottom[3]), b));
  }
}

/// out[i] = clamp(from[i] + residual[i]) of one pixel.
using FinishPixel = void (*)(const float* from, const float* residual, float low, float high, int64_t channels, float* out);
void finish_pixel(const float* from, const float* residual, float low, float high, int64_t channels, float* out) {
  const v128_t lo = wasm_f32x4_splat(low), hi = wasm_f32x4_splat(high);
  const auto bounded = [&](v128_t x) { return wasm_f32x4_pmin(wasm_f32x4_pmax(x, lo), hi); };  // NaN stays
  int64_t c = 0;
  for (; c + 4 <= channels; c += 4) {
    v128_t x = wasm_v128_load(from + c);
    if (residual != nullptr) x = wasm_f32x4_add(x, wasm_v128_load(residual + c));
    wasm_v128_store(out + c, bounded(x));
  }
  for (; c < channels; ++c) {
    const v128_t x = wasm_f32x4_splat(residual != nullptr ? from[c] + residual[c] : from[c]);
    out[c] = wasm_f32x4_extract_lane(bounded(x), 0);
  }
}

// V8 compiles again what is called often, and a function that is inlined into its only caller is not.
struct WinogradTable {
  TransformInput input;
  TransformOutput output;
  FinishPixel finish;
};
constinit const volatile WinogradTable kTable = {transform_input, transform_output, finish_pixel};

/// Scratch of one worker.
struct Scratch {
  float *points, *products, *pixels, *zeros, *bias, *gemm;
};

struct Task {
  const WinogradPlan& plan;
  const WinogradArgs& args;
  int64_t begin, count;
  Scratch s;

  void read() const;
  void multiply() const;
  void write() const;
};

/// Picture, row and column of a tile.
struct Place {
  int64_t n, y, x;
};
Place place_of(const WinogradPlan& p, int64_t tile) {
  const int64_t in_picture = tile % (p.tiles_h * p.tiles_w);
  return {tile / (p.tiles_h * p.tiles_w), in_picture / p.tiles_w * 2, in_picture % p.tiles_w * 2};
}

void Task::read() const {
  const TransformInput transform = kTable.input;
  const int64_t channels = plan.in_channels, step = plan.block * channels;
  for (int64_t i = 0; i < count; ++i) {
    const Place at = place_of(plan, begin + i);
    const float* from[kPoints];
    for (int64_t y = 0; y < 4; ++y)
      for (int64_t x = 0; x < 4; ++x) {
        const int64_t h = at.y - plan.pad_top + y, w = at.x - plan.pad_left + x;
        const bool inside = h >= 0 && h < plan.in_h && w >= 0 && w < plan.in_w;
        from[4 * y + x] = inside ? args.in + ((at.n * plan.in_h + h) * plan.in_w + w) * channels : s.zeros;
      }
    transform(from, channels, s.points + i * channels, step);
  }
}

void Task::multiply() const {
  GemmArgs g;
  g.m = count;
  g.n = plan.out_channels;
  g.k = plan.in_channels;
  g.a = s.points;
  g.a_row_stride = plan.in_channels;
  g.packed_b = args.packed;
  g.c = s.products;
  g.ldc = row_floats(plan.out_channels);
  g.batch.rank = 1;
  g.batch.dims[0] = kPoints;
  g.batch.a[0] = plan.block * plan.in_channels;
  g.batch.b[0] = static_cast<int64_t>(plan.packed_bytes / sizeof(float)) / kPoints;
  g.batch.c[0] = plan.block * g.ldc;
  gemm(plan.isa, g, s.gemm, ParallelFor{});
}

void Task::write() const {
  const TransformOutput transform = kTable.output;
  const FinishPixel finish = kTable.finish;
  const int64_t channels = plan.out_channels, stride = row_floats(channels);
  const Activation kind = args.activation.kind;
  const bool after = kind != Activation::None && kind != Activation::Relu && kind != Activation::Clamp;
  const float low = kind == Activation::Relu ? 0.0F : kind == Activation::Clamp ? args.activation.a : -__builtin_inff();
  const float high = kind == Activation::Clamp ? args.activation.b : __builtin_inff();
  for (int64_t i = 0; i < count; ++i) {
    const Place at = place_of(plan, begin + i);
    transform(s.products + i * stride, plan.block * stride, s.bias, channels, s.pixels);
    for (int64_t y = 0; y < 2 && at.y + y < plan.out_h; ++y)
      for (int64_t x = 0; x < 2 && at.x + x < plan.out_w; ++x) {
        const int64_t to = ((at.n * plan.out_h + at.y + y) * plan.out_w + at.x + x) * channels;
        finish(s.pixels + (2 * y + x) * stride, args.residual == nullptr ? nullptr : args.residual + to, low, high, channels, args.out + to);
        if (after) activate_block(plan.isa)(args.activation, args.out + to, channels, 1, channels);
      }
  }
}

}  // namespace

void winograd_plan(WinogradPlan& p) {
  p.tiles_h = div_up(p.out_h, 2);
  p.tiles_w = div_up(p.out_w, 2);
  const int64_t out_floats = row_floats(p.out_channels);
  p.block = std::clamp<int64_t>(kBlockFloats / (kPoints * (p.in_channels + out_floats)) / 4 * 4, 8, 64);
  p.packed_bytes = static_cast<uint64_t>(kPoints) * packed_b_bytes(p.isa, p.in_channels, p.out_channels);
  GemmArgs g;
  g.m = p.block;
  g.n = p.out_channels;
  g.k = p.in_channels;
  g.packed_b = &g;  // only whether it is null matters here
  g.batch.rank = 1;
  g.batch.dims[0] = kPoints;
  p.product_bytes = gemm_scratch_bytes(p.isa, g, 1);
  const auto floats = static_cast<uint64_t>(kPoints * p.block * (p.in_channels + out_floats) + 4 * out_floats + p.in_channels + out_floats);
  p.worker_bytes = round_up(p.product_bytes) + round_up(floats * sizeof(float));
}

void winograd_pack(const WinogradPlan& p, const float* weights, float* packed) {
  const GemmKernels& kernels = gemm_kernels(p.isa);
  const auto one = static_cast<int64_t>(p.packed_bytes / sizeof(float)) / kPoints;
  std::memset(packed, 0, static_cast<size_t>(p.packed_bytes));
  for (int64_t n = 0; n < p.out_channels; ++n) {
    const int64_t panel = n / kernels.nr * kernels.nr, rest = p.out_channels - panel;
    const int64_t width = rest <= kernels.lanes ? kernels.lanes : kernels.nr;
    for (int64_t c = 0; c < p.in_channels; ++c) {
      float points[kPoints];
      transform_filter(weights + (n * p.in_channels + c) * 9, points);
      float* out = packed + panel * p.in_channels + c * width + (n - panel);
      for (int64_t point = 0; point < kPoints; ++point) out[point * one] = points[point];
    }
  }
}

void winograd(const WinogradPlan& p, const WinogradArgs& args, void* scratch, const ParallelFor& parallel) {
  const int64_t tiles = p.tiles(), out_floats = row_floats(p.out_channels);
  parallel(div_up(tiles, p.block), [&](int64_t index, int worker) {
    auto* memory = static_cast<char*>(scratch) + static_cast<uint64_t>(worker) * p.worker_bytes;
    Scratch s{};
    s.gemm = reinterpret_cast<float*>(memory);
    s.points = reinterpret_cast<float*>(memory + round_up(p.product_bytes));
    s.products = s.points + kPoints * p.block * p.in_channels;
    s.pixels = s.products + kPoints * p.block * out_floats;
    s.bias = s.pixels + 4 * out_floats;
    s.zeros = s.bias + out_floats;
    std::memset(s.bias, 0, static_cast<size_t>(out_floats + p.in_channels) * sizeof(float));
    if (args.bias != nullptr) std::memcpy(s.bias, args.bias, static_cast<size_t>(p.out_channels) * sizeof(float));
    const int64_t begin = index * p.block;
    const Task task{p, args, begin, std::min(p.block, tiles - begin), s};
    task.read();
    task.multiply();
    task.write();
  });
}

}  // namespace gf::simd
