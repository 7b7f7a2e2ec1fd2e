// Shared by the tests of ops/cpu/simd: which ISA entries this machine can run, random data, ulp distance, thread pools.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "ops/cpu/simd/isa_dispatch.h"
#include "runtime/kernel/parallel.h"
#include "tests/support/test_threads.h"

namespace gf::simd::test {

inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::Portable};
  for (const Isa isa : {Isa::Avx2, Isa::Avx512, Isa::Neon, Isa::Wasm128}) {
    if (isa_allows(best_isa(), isa)) isas.push_back(isa);
  }
  return isas;
}

/// |got - want| in units of the f32 spacing at `want`; 0 for equal infinities and for NaN against NaN.
inline double ulp_error(float got, long double want) {
  const auto rounded = static_cast<float>(want);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0.0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got) return 0.0;
    // next to the overflow threshold one of the two may be the largest finite number
    const float big = std::numeric_limits<float>::max();
    return std::fabs(rounded) >= big && std::fabs(got) >= big && std::signbit(got) == std::signbit(rounded) ? 1.0 : 1e30;
  }
  int exponent = -125;
  if (std::fabs(rounded) >= std::numeric_limits<float>::min()) std::frexp(rounded, &exponent);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / std::ldexp(1.0L, exponent - 24));
}

inline std::vector<float> random_floats(size_t n, uint32_t seed, float low = -2.0f, float high = 2.0f) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> values(n);
  for (float& v : values) v = draw(engine);
  return values;
}

/// Bit patterns spread over all of f32 (both signs, denormals, infinities, NaN) and dense values in [-30, 30].
inline std::vector<float> sweep(uint32_t stride = 16411) {
  std::vector<float> values;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += stride) {
    const auto word = static_cast<uint32_t>(bits);
    float f;
    std::memcpy(&f, &word, sizeof f);
    values.push_back(f);
  }
  for (const float f : random_floats(150000, 7, -30.0f, 30.0f)) values.push_back(f);
  for (const float f : random_floats(50000, 8, -1.5f, 1.5f)) values.push_back(f);
  for (const float f : {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN}) values.push_back(f);
  return values;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// A parallel_for on fresh threads: slow, but truly concurrent and with any number of workers.
struct TestPool {
  explicit TestPool(int threads) : threads_(threads) {}
  ParallelFor parallel() { return threads_ <= 1 ? ParallelFor{} : ParallelFor{&TestPool::run, this, threads_}; }

 private:
  static void run(void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
    const int threads = static_cast<TestPool*>(context)->threads_;
    gf::test::run_on_threads(threads, [=](int w) {
      for (int64_t t = w; t < tasks; t += threads) body(argument, t, w);
    });
  }
  int threads_;
};

}  // namespace gf::simd::test
