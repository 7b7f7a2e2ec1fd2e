// Shared by the matrix product and convolution tests: threads, the ISAs of this machine, and an activation reference
// in f64. Everything expected is computed here in f64, from the definitions, not by the code under test.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "ops/cpu/simd/activation.h"
#include "ops/cpu/simd/isa_dispatch.h"
#include "runtime/kernel/parallel.h"
#include "tests/support/test_threads.h"

namespace gf::simd::test {

/// A ParallelFor that starts its threads on every call.
class TestThreads {
 public:
  explicit TestThreads(int threads) : threads_(threads) {}
  ParallelFor get() { return {run, this, threads_}; }

 private:
  static void run(void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
    std::atomic<int64_t> next{0};
    gf::test::run_on_threads(static_cast<TestThreads*>(context)->threads_, [&](int worker) {
      for (int64_t t = next++; t < tasks; t = next++) body(argument, t, worker);
    });
  }
  int threads_;
};

/// Every level that this machine can run.
inline std::vector<Isa> isas() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Vnni, Isa::Avx512Bf16, Isa::Neon, Isa::Wasm128})
    if (isa_allows(best_isa(), isa)) out.push_back(isa);
  return out;
}

/// Floats in memory aligned for packed weights and scratch. Sizes that are multiples of 64 bytes (all that the library
/// asks for) are allocated exactly, so that AddressSanitizer sees a read beyond.
class Buffer {
 public:
  explicit Buffer(size_t count, float value = 0.0F)
      : count_(count), data_(static_cast<float*>(aligned_alloc(64, (count * 4 + 63) / 64 * 64)), free) {
    for (size_t i = 0; i < count; ++i) data_.get()[i] = value;
  }
  float* data() { return data_.get(); }
  size_t size() const { return count_; }

 private:
  size_t count_;
  std::unique_ptr<float, void (*)(void*)> data_;
};

inline std::vector<float> random_floats(std::mt19937& rng, size_t count) {
  std::uniform_real_distribution<float> d(-1.0F, 1.0F);
  std::vector<float> v(count);
  for (float& x : v) x = d(rng);
  return v;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

inline int64_t pick(std::mt19937& rng, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(rng);
}

inline double activation_f64(const ActivationSpec& s, double x) {
  const double a = s.a, b = s.b;
  if (std::isnan(x)) return x;
  switch (s.kind) {
    case Activation::None: return x;
    case Activation::Relu: return x > 0 ? x : 0.0;
    case Activation::Clamp: return x < a ? a : x > b ? b : x;
    case Activation::LeakyRelu: return x < 0 ? a * x : x;
    case Activation::HardSigmoid: return std::fmin(std::fmax(a * x + b, 0.0), 1.0);
    case Activation::HardSwish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0);
    case Activation::Sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::Silu: return x / (1 + std::exp(-a * x));
    case Activation::Tanh: return std::tanh(x);
    case Activation::Gelu: return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case Activation::GeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case Activation::Elu: return x < 0 ? a * std::expm1(x) : x;
  }
  return x;
}

inline const std::vector<ActivationSpec>& all_activations() {
  static const std::vector<ActivationSpec> all = {
      {Activation::None, 0, 0},        {Activation::Relu, 0, 0},    {Activation::Clamp, -0.5F, 0.75F},
      {Activation::LeakyRelu, 0.1F, 0}, {Activation::HardSigmoid, 0.2F, 0.5F}, {Activation::HardSwish, 0, 0},
      {Activation::Sigmoid, 0, 0},     {Activation::Silu, 1.702F, 0}, {Activation::Tanh, 0, 0},
      {Activation::Gelu, 0, 0},        {Activation::GeluTanh, 0, 0}, {Activation::Elu, 0.7F, 0}};
  return all;
}

}  // namespace gf::simd::test
