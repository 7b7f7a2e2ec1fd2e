// Speed of the vector kernels in GB/s moved (read + written) beside memcpy of the same bytes, per ISA; Portable is the
// scalar comparison. Sizes: one tile in the first-level cache, and shapes of real networks.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "ops/cpu/simd/attention.h"
#include "ops/cpu/simd/depthwise.h"
#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/norm.h"
#include "ops/cpu/simd/pool.h"
#include "ops/cpu/simd/reduce.h"
#include "ops/cpu/simd/softmax.h"
#include "ops/cpu/simd/transpose.h"

namespace {

using namespace gf;
using namespace gf::simd;

std::vector<float> values(int64_t n) {
  std::vector<float> v(static_cast<size_t>(n));
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(static_cast<float>(i));
  return v;
}

// Both counters always (0: not counted): the CSV reporter wants the same columns in every line.
void report(benchmark::State& state, double bytes, double flops = 0) {
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

template <class F>
void add(const std::string& name, double bytes, double flops, F body) {
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon, Isa::Wasm128}) {
    if (isa != Isa::Portable && !isa_allows(best_isa(), isa)) continue;
    benchmark::RegisterBenchmark((name + "/" + isa_name(isa)).c_str(), [=](benchmark::State& state) {
      for (auto _ : state) {
        body(isa);
        benchmark::ClobberMemory();
      }
      report(state, bytes, flops);
    })->MinTime(0.05);
  }
}

void register_memcpy(int64_t n) {
  benchmark::RegisterBenchmark(("memcpy/" + std::to_string(n)).c_str(), [n](benchmark::State& state) {
    const std::vector<float> x = values(n);
    std::vector<float> y(x.size());
    for (auto _ : state) {
      std::memcpy(y.data(), x.data(), x.size() * 4);
      benchmark::ClobberMemory();
    }
    report(state, 8.0 * static_cast<double>(n));
  })->MinTime(0.05);
}

void register_elementwise() {
  constexpr int64_t kN = 1024;
  static const std::vector<float> x = values(kN), z = values(kN);
  static std::vector<float> y(kN);
  const std::pair<const char*, UnaryKind> kinds[] = {
      {"relu", UnaryKind::Relu}, {"exp", UnaryKind::Exp}, {"log", UnaryKind::Log}, {"tanh", UnaryKind::Tanh},
      {"sigmoid", UnaryKind::Sigmoid}, {"erf", UnaryKind::Erf}, {"gelu", UnaryKind::Gelu},
      {"gelu_tanh", UnaryKind::GeluTanh}, {"silu", UnaryKind::Silu}, {"hard_swish", UnaryKind::HardSwish},
      {"sin", UnaryKind::Sin}, {"softplus", UnaryKind::Softplus}};
  for (const auto& [name, kind] : kinds) {
    add(std::string("unary/") + name, 8.0 * kN, 0,
        [kind](Isa isa) { unary_f32(isa, kind)(x.data(), y.data(), kN, 0.1f, 0.2f); });
  }
  const std::pair<const char*, BinaryKind> pairs[] = {
      {"add", BinaryKind::Add}, {"div", BinaryKind::Div}, {"max", BinaryKind::Max}, {"pow", BinaryKind::Pow}};
  for (const auto& [name, kind] : pairs) {
    add(std::string("binary/") + name, 12.0 * kN, 0, [kind](Isa isa) {
      binary_f32(isa, kind, Operands::VectorVector)(x.data(), z.data(), y.data(), kN);
    });
  }
  static std::vector<uint16_t> half(kN);
  add("cast/f32_to_f16", 6.0 * kN, 0, [](Isa isa) { cast_run(isa, DType::F32, DType::F16)(x.data(), half.data(), kN); });
  add("cast/f16_to_f32", 6.0 * kN, 0, [](Isa isa) { cast_run(isa, DType::F16, DType::F32)(half.data(), y.data(), kN); });
}

void register_rows() {
  static const std::vector<float> x = values(1536 * 768);
  static std::vector<float> y(x.size()), gamma = values(768);
  add("softmax/1536x128", 8.0 * 1536 * 128, 0,
      [](Isa isa) { softmax_f32(isa, x.data(), y.data(), 1536, 128, 1, ParallelFor{}); });
  add("softmax/axis1_12x128x128", 8.0 * 1536 * 128, 0,
      [](Isa isa) { softmax_f32(isa, x.data(), y.data(), 12, 128, 128, ParallelFor{}); });
  add("layer_norm/128x768", 8.0 * 128 * 768, 0, [](Isa isa) {
    RowNorm a;
    a.in = x.data();
    a.gamma = a.beta = gamma.data();
    a.out = y.data();
    a.rows = 128;
    a.cols = 768;
    layer_norm_f32(isa, a, ParallelFor{});
  });
  static std::vector<float> scratch(1 << 16);
  add("reduce/sum_rows_128x768", 4.0 * 128 * 768, 0, [](Isa isa) {
    reduce_f32(isa, ReduceKind::Sum, x.data(), y.data(), 128, 768, 1, scratch.data(), ParallelFor{});
  });
  add("reduce/mean_49x1280", 4.0 * 49 * 1280, 0, [](Isa isa) {
    reduce_f32(isa, ReduceKind::Mean, x.data(), y.data(), 1, 49, 1280, scratch.data(), ParallelFor{});
  });
}

void register_images() {
  static const std::vector<float> x = values(112 * 112 * 96), w = values(25 * 960);
  static std::vector<float> y(x.size());
  struct Case {
    const char* name;
    int64_t size, channels, kernel, stride;
  };
  for (const Case& c : {Case{"depthwise/112x96_3x3s2", 112, 96, 3, 2}, Case{"depthwise/56x144_3x3s1", 56, 144, 3, 1},
                        Case{"depthwise/14x576_3x3s1", 14, 576, 3, 1}, Case{"depthwise/7x960_5x5s1", 7, 960, 5, 1}}) {
    DepthwiseArgs a;
    a.in_h = a.in_w = c.size;
    a.out_h = a.out_w = c.size / c.stride;
    a.channels = c.channels;
    a.kernel_h = a.kernel_w = c.kernel;
    a.stride_h = a.stride_w = c.stride;
    a.pad_top = a.pad_left = c.kernel / 2;
    const auto out = static_cast<double>(a.out_h * a.out_w * c.channels);
    add(c.name, 4 * (static_cast<double>(c.size * c.size * c.channels) + out), 2 * out * static_cast<double>(c.kernel * c.kernel),
        [a](Isa isa) {
          DepthwiseArgs b = a;
          b.in = x.data();
          b.weights = w.data();
          b.out = y.data();
          b.activation.kind = Activation::Relu;
          depthwise_f32(isa, b, ParallelFor{});
        });
  }
  add("max_pool/112x64_3x3s2", 4.0 * (112 * 112 + 56 * 56) * 64, 0, [](Isa isa) {
    PoolArgs a;
    a.in = x.data();
    a.out = y.data();
    a.in_h = a.in_w = 112;
    a.out_h = a.out_w = 56;
    a.channels = 64;
    a.kernel_h = a.kernel_w = 3;
    a.stride_h = a.stride_w = 2;
    a.pad_top = a.pad_left = 1;
    pool_f32(isa, PoolKind::Max, a, ParallelFor{});
  });
  const std::pair<const char*, Shape> shapes[] = {{"transpose/nchw_nhwc_256x56x56", Shape(1, 256, 3136)},
                                                  {"transpose/nhwc_nchw_256x56x56", Shape(1, 3136, 256)},
                                                  {"transpose/nchw_nhwc_3x224x224", Shape(1, 3, 50176)}};
  for (const auto& [name, shape] : shapes) {
    add(name, 8.0 * static_cast<double>(shape.count()), 0, [shape = shape](Isa isa) {
      const int32_t perm[3] = {0, 2, 1};
      transpose(isa, 4, shape, perm, x.data(), y.data(), ParallelFor{});
    });
  }
  add("transpose/heads_128x12x64", 8.0 * 128 * 768, 0, [](Isa isa) {
    const int32_t perm[4] = {0, 2, 1, 3};
    transpose(isa, 4, Shape(1, 128, 12, 64), perm, x.data(), y.data(), ParallelFor{});
  });
}

void register_attention() {
  struct Case {
    const char* name;
    int64_t heads, kv_heads, q_len, kv_len;
  };
  for (const Case& c : {Case{"attention/bert_12x128x64", 12, 12, 128, 128}, Case{"attention/vit_12x197x64", 12, 12, 197, 197},
                        Case{"attention/decode_12x256x64", 12, 12, 1, 256}, Case{"attention/long_8x1024x64", 8, 8, 1024, 1024}}) {
    static const std::vector<float> x = values(1024 * 12 * 64);
    static std::vector<float> y(x.size()), scratch(attention_scratch_bytes_per_worker(64) / 4);
    const double pairs = static_cast<double>(c.heads * c.q_len * c.kv_len);
    add(c.name, 4.0 * 64 * static_cast<double>(c.heads * 2 * (c.q_len + c.kv_len)), pairs * 4 * 64, [c](Isa isa) {
      AttentionArgs a;
      a.q = a.k = a.v = x.data();
      a.out = y.data();
      a.q_heads = c.heads;
      a.kv_heads = c.kv_heads;
      a.q_len = c.q_len;
      a.kv_len = c.kv_len;
      a.qk_dim = a.v_dim = 64;
      a.scale = 0.125f;
      a.q_strides = a.k_strides = a.v_strides = a.out_strides = {0, 64, c.heads * 64};
      attention_f32(isa, a, scratch.data(), ParallelFor{});
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const int64_t n : {1024, 98304, 802816}) register_memcpy(n);
  register_elementwise();
  register_rows();
  register_images();
  register_attention();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
