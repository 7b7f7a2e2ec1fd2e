// GFLOP/s of the f32 matrix product and convolution on shapes of ResNet-50, BERT-base and MobileNet, beside XNNPACK
// (when GF_BENCH_XNNPACK is defined) and the machine's own multiply-add peak. Prints one line per shape:
//   name  threads  ms  GFLOP/s  [XNNPACK ms and ratio]
// Usage: gemm_bench [threads [isa [filter]]]      isa: portable avx2 avx512
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ops/cpu/simd/gemm.h"
#include "ops/cpu/simd/gemm_rounded.h"
#include "ops/cpu/simd/isa_dispatch.h"
#if __has_include("ops/cpu/simd/conv.h")
#include "ops/cpu/simd/conv.h"
#define GF_BENCH_CONV
#endif
#ifdef GF_BENCH_XNNPACK
#include <pthreadpool.h>
#include <xnnpack.h>
#endif

namespace {

using gf::Isa;
using gf::ParallelFor;
namespace simd = gf::simd;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Threads that spin between calls: the least that a pool can cost.
class SpinPool {
 public:
  explicit SpinPool(int threads) : threads_(threads) {
    for (int i = 1; i < threads; ++i) {
      helpers_.push_back({this, i, {}});
    }
    for (Helper& h : helpers_) pthread_create(&h.id, nullptr, loop, &h);
  }
  ~SpinPool() {
    stop_ = true;
    ++epoch_;
    for (Helper& h : helpers_) pthread_join(h.id, nullptr);
  }
  ParallelFor get() { return threads_ == 1 ? ParallelFor{} : ParallelFor{run, this, threads_}; }

 private:
  struct Helper {
    SpinPool* pool;
    int index;
    pthread_t id;
  };
  static void* loop(void* pointer) {
    Helper& h = *static_cast<Helper*>(pointer);
    for (int seen = 0;;) {
      while (h.pool->epoch_.load(std::memory_order_acquire) == seen) __builtin_ia32_pause();
      ++seen;
      if (h.pool->stop_) return nullptr;
      h.pool->work(h.index);
      h.pool->done_.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  void work(int index) {
    for (int64_t t = next_++; t < tasks_; t = next_++) body_(argument_, t, index);
  }
  static void run(void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
    SpinPool& p = *static_cast<SpinPool*>(context);
    p.tasks_ = tasks;
    p.body_ = body;
    p.argument_ = argument;
    p.next_ = 0;
    p.done_ = 0;
    p.epoch_.fetch_add(1, std::memory_order_acq_rel);
    p.work(0);
    while (p.done_.load(std::memory_order_acquire) != p.threads_ - 1) __builtin_ia32_pause();
  }
  int threads_;
  std::vector<Helper> helpers_;
  std::atomic<int> epoch_{0}, done_{0};
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> next_{0};
  int64_t tasks_ = 0;
  ParallelFor::Body body_ = nullptr;
  void* argument_ = nullptr;
};

using Memory = std::unique_ptr<float, void (*)(void*)>;
Memory make(uint64_t bytes) {
  Memory m(static_cast<float*>(aligned_alloc(64, (bytes + 191) / 64 * 64)), free);
  for (uint64_t i = 0; i < bytes / 4; ++i) m.get()[i] = static_cast<float>(i % 7) - 3.0F;
  return m;
}

/// Median time of one call in seconds. Short calls are repeated inside one measurement.
template <class F>
double time_of(F&& f) {
  f();
  double once = now();
  f();
  once = now() - once;
  const int inner = std::clamp(static_cast<int>(2e-3 / (once + 1e-9)), 1, 10000);
  std::vector<double> times;
  for (double total = 0; times.size() < 9 || (total < 0.25 && times.size() < 60);) {
    const double start = now();
    for (int i = 0; i < inner; ++i) f();
    const double t = now() - start;
    total += t;
    times.push_back(t / inner);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 4];  // lower quartile: the machine is shared
}

#if defined(__x86_64__)
__attribute__((target("avx512f"), noipa)) float fma_loop_512(long n) {
  typedef float V __attribute__((vector_size(64)));
  V acc[16], x, y;
  for (int i = 0; i < 16; ++i) x[i] = 0.999F, y[i] = 1e-9F;
  for (V& v : acc) v = x;
  for (long k = 0; k < n; ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) acc[i] = acc[i] * x + y;
  }
  float sum = 0;
  for (V& v : acc) sum += v[0];
  return sum;
}
__attribute__((target("avx2,fma"), noipa)) float fma_loop_256(long n) {
  typedef float V __attribute__((vector_size(32)));
  V acc[12], x, y;
  for (int i = 0; i < 8; ++i) x[i] = 0.999F, y[i] = 1e-9F;
  for (V& v : acc) v = x;
  for (long k = 0; k < n; ++k) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) acc[i] = acc[i] * x + y;
  }
  float sum = 0;
  for (V& v : acc) sum += v[0];
  return sum;
}
#endif

double peak_gflops(Isa isa) {
#if defined(__x86_64__)
  constexpr long kLoops = 2000000;
  volatile float sink = 0;
  if (isa >= Isa::Avx512) return 32.0 * 16 * kLoops / time_of([&] { sink = fma_loop_512(kLoops); }) / 1e9;
  if (isa == Isa::Avx2) return 16.0 * 12 * kLoops / time_of([&] { sink = fma_loop_256(kLoops); }) / 1e9;
#endif
  (void)isa;
  return 0;
}

struct GemmShape {
  const char* name;
  int64_t m, n, k;
};
constexpr GemmShape kGemms[] = {
    {"bert.qkv 128x768x768", 128, 768, 768},     {"bert.up 128x3072x768", 128, 3072, 768},
    {"bert.down 128x768x3072", 128, 768, 3072},  {"bert.qkv 384x768x768", 384, 768, 768},
    {"square 512", 512, 512, 512},               {"square 1024", 1024, 1024, 1024},
    {"square 96", 96, 96, 96},                   {"gemv 1x4096x1024", 1, 4096, 1024},
    {"gemv 1x1000x2048", 1, 1000, 2048},         {"small m 4x3072x768", 4, 3072, 768},
    {"small m 8x3072x768", 8, 3072, 768},        {"mobile.1x1 12544x16x32", 12544, 16, 32},
    {"mobile.1x1 3136x24x96", 3136, 24, 96},     {"mobile.1x1 784x192x32", 784, 192, 32},
    {"mobile.1x1 196x384x64", 196, 384, 64},     {"mobile.1x1 49x320x960", 49, 320, 960},
    {"tall 100000x10x16", 100000, 10, 16}};

/// Products of training: nothing is packed beforehand, and gradients read an operand transposed.
struct TrainShape {
  const char* name;
  int64_t m, n, k;
  bool transpose_a, transpose_b;
};
constexpr TrainShape kTrain[] = {
    {"train gpt forward 2048x1536x384", 2048, 1536, 384, false, false}, {"train gpt by data 2048x384x1536", 2048, 384, 1536, false, true},
    {"train gpt by weights 384x1536x2048", 384, 1536, 2048, true, false}, {"train gpt by weights 1536x384x2048", 1536, 384, 2048, true, false},
    {"train gpt by weights 384x384x2048", 384, 384, 2048, true, false},  {"train encoder forward 2048x512x128", 2048, 512, 128, false, false},
    {"train encoder by data 2048x128x512", 2048, 128, 512, false, true}, {"train encoder by data 2048x512x128", 2048, 512, 128, false, true},
    {"train encoder by weights 512x128x2048", 512, 128, 2048, true, false}, {"train encoder by weights 128x512x2048", 128, 512, 2048, true, false},
    {"train lstm by weights 256x1024x2048", 256, 1024, 2048, true, false}, {"train mlp by weights 784x512x128", 784, 512, 128, true, false}};

#ifdef GF_BENCH_XNNPACK
struct Xnn {
  pthreadpool_t pool;
  double gemm(const GemmShape& s, const float* a, const float* b, const float* bias, float* c) {
    xnn_operator_t op = nullptr;
    const auto k = static_cast<size_t>(s.k), n = static_cast<size_t>(s.n), m = static_cast<size_t>(s.m);
    constexpr uint32_t kFlags = XNN_FLAG_TRANSPOSE_WEIGHTS;
    if (xnn_create_fully_connected_nc_f32(k, n, k, n, b, bias, -1e30F, 1e30F, kFlags, &op)) return 0;
    xnn_setup_fully_connected_nc_f32(op, m, a, c, pool);
    const double t = time_of([&] { xnn_run_operator(op, pool); });
    xnn_delete_operator(op);
    return t;
  }
#ifdef GF_BENCH_CONV
  double conv(const simd::ConvShape& s, const float* in, const float* weights, const float* bias, float* out) {
    xnn_operator_t op = nullptr;
    const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
    const auto cin = static_cast<size_t>(s.in_channels), cout = static_cast<size_t>(s.out_channels);
    if (xnn_create_convolution2d_nhwc_f32(u(s.pad_begin[0]), u(s.pad_end[1]), u(s.pad_end[0]), u(s.pad_begin[1]),
                                          u(s.kernel[0]), u(s.kernel[1]), u(s.stride[0]), u(s.stride[1]),
                                          u(s.dilation[0]), u(s.dilation[1]), u(s.groups), cin / u(s.groups),
                                          cout / u(s.groups), cin, cout, weights, bias, 0.0F, 1e30F, 0, &op))
      return 0;
    xnn_setup_convolution2d_nhwc_f32(op, 1, static_cast<size_t>(s.in[0]), static_cast<size_t>(s.in[1]), in, out, pool);
    const double t = time_of([&] { xnn_run_operator(op, pool); });
    xnn_delete_operator(op);
    return t;
  }
#endif
};
#endif

void report(const char* name, int threads, double flops, double seconds, double other) {
  std::printf("%-34s %2d %9.4f ms %8.1f GFLOP/s", name, threads, seconds * 1e3, flops / seconds / 1e9);
  if (other > 0) std::printf("   xnnpack %9.4f ms  ours/theirs %.2f", other * 1e3, seconds / other);
  std::printf("\n");
  std::fflush(stdout);
}

#ifdef GF_BENCH_CONV
struct ConvCase {
  const char* name;
  int64_t size, cin, cout, kernel, stride;
  int count;  ///< how often the layer stands in ResNet-50
};
constexpr ConvCase kConvs[] = {
    {"conv1 224 3->64 7x7/2", 224, 3, 64, 7, 2, 1},        {"c2 56 64->64 1x1", 56, 64, 64, 1, 1, 1},
    {"c2 56 64->64 3x3", 56, 64, 64, 3, 1, 3},             {"c2 56 64->256 1x1", 56, 64, 256, 1, 1, 4},
    {"c2 56 256->64 1x1", 56, 256, 64, 1, 1, 2},           {"c3 56 256->128 1x1", 56, 256, 128, 1, 1, 1},
    {"c3 56 128->128 3x3/2", 56, 128, 128, 3, 2, 1},       {"c3 56 256->512 1x1/2", 56, 256, 512, 1, 2, 1},
    {"c3 28 128->512 1x1", 28, 128, 512, 1, 1, 4},         {"c3 28 512->128 1x1", 28, 512, 128, 1, 1, 3},
    {"c3 28 128->128 3x3", 28, 128, 128, 3, 1, 3},         {"c4 28 512->256 1x1", 28, 512, 256, 1, 1, 1},
    {"c4 28 256->256 3x3/2", 28, 256, 256, 3, 2, 1},       {"c4 28 512->1024 1x1/2", 28, 512, 1024, 1, 2, 1},
    {"c4 14 256->1024 1x1", 14, 256, 1024, 1, 1, 6},       {"c4 14 1024->256 1x1", 14, 1024, 256, 1, 1, 5},
    {"c4 14 256->256 3x3", 14, 256, 256, 3, 1, 5},         {"c5 14 1024->512 1x1", 14, 1024, 512, 1, 1, 1},
    {"c5 14 512->512 3x3/2", 14, 512, 512, 3, 2, 1},       {"c5 14 1024->2048 1x1/2", 14, 1024, 2048, 1, 2, 1},
    {"c5 7 512->2048 1x1", 7, 512, 2048, 1, 1, 3},         {"c5 7 2048->512 1x1", 7, 2048, 512, 1, 1, 2},
    {"c5 7 512->512 3x3", 7, 512, 512, 3, 1, 2}};
#endif

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  Isa isa = simd::best_isa();
  if (argc > 2)
    isa = std::strcmp(argv[2], "avx2") == 0 ? Isa::Avx2 : std::strcmp(argv[2], "portable") == 0 ? Isa::Portable : isa;
  const std::string filter = argc > 3 ? argv[3] : "";
  SpinPool pool(threads);
  const double peak = peak_gflops(isa);
  std::printf("isa %s, %d thread(s), peak %.0f GFLOP/s per core\n", gf::isa_name(isa), threads, peak);
#ifdef GF_BENCH_XNNPACK
  xnn_initialize(nullptr);
  Xnn xnn{threads == 1 ? nullptr : pthreadpool_create(static_cast<size_t>(threads))};
#endif
  for (const GemmShape& s : kGemms) {
    if (std::string(s.name).find(filter) == std::string::npos) continue;
    Memory a = make(static_cast<uint64_t>(s.m * s.k * 4)), b = make(static_cast<uint64_t>(s.n * s.k * 4));
    Memory c = make(static_cast<uint64_t>(s.m * s.n * 4)), bias = make(static_cast<uint64_t>(s.n * 4));
    Memory packed = make(simd::packed_b_bytes(isa, s.k, s.n));
    simd::pack_b(isa, {b.get(), gf::DType::F32, s.n, 1}, s.k, s.n, packed.get());
    simd::GemmArgs g;
    g.m = s.m, g.n = s.n, g.k = s.k;
    g.a = a.get(), g.a_row_stride = s.k;
    g.packed_b = packed.get();
    g.c = c.get(), g.ldc = s.n;
    g.epilogue.bias = bias.get();
    Memory scratch = make(simd::gemm_scratch_bytes(isa, g, threads));
    const double t = time_of([&] { simd::gemm(isa, g, scratch.get(), pool.get()); });
    double other = 0;
#ifdef GF_BENCH_XNNPACK
    other = xnn.gemm(s, a.get(), b.get(), bias.get(), c.get());
#endif
    report(s.name, threads, 2.0 * static_cast<double>(s.m * s.n * s.k), t, other);
  }
  for (const TrainShape& s : kTrain) {
    if (std::string(s.name).find(filter) == std::string::npos) continue;
    Memory a = make(static_cast<uint64_t>(s.m * s.k * 4)), b = make(static_cast<uint64_t>(s.n * s.k * 4)), c = make(static_cast<uint64_t>(s.m * s.n * 4));
    simd::GemmArgs g;
    g.m = s.m, g.n = s.n, g.k = s.k;
    g.a = a.get(), g.a_row_stride = s.transpose_a ? 1 : s.k, g.a_col_stride = s.transpose_a ? s.m : 1;
    g.b = {b.get(), gf::DType::F32, s.transpose_b ? 1 : s.n, s.transpose_b ? s.k : 1};
    g.c = c.get(), g.ldc = s.n;
    Memory scratch = make(simd::gemm_scratch_bytes(isa, g, threads));
    const double t = time_of([&] { simd::gemm(isa, g, scratch.get(), pool.get()); });
    report(s.name, threads, 2.0 * static_cast<double>(s.m * s.n * s.k), t, 0);
    Memory more = make(simd::gemm_rounded_scratch_bytes(isa, g, threads));
    const double t16 = time_of([&] { simd::gemm_rounded(isa, g, more.get(), pool.get()); });
    report("  from bfloat16 operands", threads, 2.0 * static_cast<double>(s.m * s.n * s.k), t16, 0);
  }
#ifdef GF_BENCH_CONV
  double total = 0, total_other = 0, flops_all = 0;
  for (const ConvCase& s : kConvs) {
    if (std::string(s.name).find(filter) == std::string::npos) continue;
    simd::ConvShape shape;
    shape.spatial_rank = 2;
    shape.in_channels = s.cin, shape.out_channels = s.cout;
    for (int d = 0; d < 2; ++d) {
      shape.in[d] = s.size, shape.kernel[d] = s.kernel, shape.stride[d] = s.stride;
      shape.pad_begin[d] = shape.pad_end[d] = s.kernel / 2;
    }
    simd::ConvPlan plan;
    if (simd::conv_plan(isa, shape, plan) != gf::Error::Ok) return 1;
    const int64_t out = plan.out[0] * plan.out[1] * plan.out[2];
    Memory in = make(static_cast<uint64_t>(s.size * s.size * s.cin * 4));
    Memory w = make(static_cast<uint64_t>(s.cout * s.cin * s.kernel * s.kernel * 4));
    Memory y = make(static_cast<uint64_t>(out * s.cout * 4)), bias = make(static_cast<uint64_t>(s.cout * 4));
    Memory packed = make(plan.packed_bytes);
    simd::conv_pack(plan, {.data = w.get(), .layout = simd::WeightLayout::Ohwi}, packed.get());
    Memory scratch = make(plan.scratch_bytes(threads));
    simd::ConvArgs args;
    args.input = in.get(), args.packed = packed.get(), args.output = y.get();
    args.epilogue.bias = bias.get();
    args.epilogue.activation.kind = simd::Activation::Relu;
    const double t = time_of([&] { simd::conv(plan, args, scratch.get(), pool.get()); });
    double other = 0;
#ifdef GF_BENCH_XNNPACK
    other = xnn.conv(shape, in.get(), w.get(), bias.get(), y.get());
#endif
    const double flops = 2.0 * static_cast<double>(out * s.cout * s.cin * s.kernel * s.kernel);
    report(s.name, threads, flops, t, other);
    total += t * s.count, total_other += other * s.count, flops_all += flops * s.count;
  }
  if (total > 0) report("all convolutions of ResNet-50", threads, flops_all, total, total_other);
#endif
#ifdef GF_BENCH_XNNPACK
  if (xnn.pool != nullptr) pthreadpool_destroy(xnn.pool);
#endif
  return 0;
}
