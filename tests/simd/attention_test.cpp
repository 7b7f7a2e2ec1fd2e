// Attention against a naive float64 softmax(QK)V: head layouts, masks with broadcasting, causal and sliding windows,
// grouped heads, softcap, lengths, rows without keys, thread counts.
#include "ops/cpu/simd/attention.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

double f64(float x) { return static_cast<double>(x); }

std::vector<double> reference(const AttentionArgs& a) {
  std::vector<double> out;
  for (int64_t n = 0; n < a.batch; ++n)
    for (int64_t h = 0; h < a.q_heads; ++h)
      for (int64_t i = 0; i < a.q_len; ++i) {
        const int64_t kv = h / (a.q_heads / a.kv_heads);
        const int64_t length = a.kv_lengths == nullptr ? a.kv_len : a.kv_lengths[n];
        const int64_t p = i + (a.offset_from_lengths ? length - a.q_len : a.offset);
        std::vector<double> s(static_cast<size_t>(a.kv_len));
        double high = -INFINITY, sum = 0;
        for (int64_t j = 0; j < a.kv_len; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < a.qk_dim; ++d) {
            dot += f64(a.q[n * a.q_strides.batch + h * a.q_strides.head + i * a.q_strides.row + d]) *
                   f64(a.k[n * a.k_strides.batch + kv * a.k_strides.head + j * a.k_strides.row + d]);
          }
          dot *= f64(a.scale);
          if (a.softcap > 0) dot = f64(a.softcap) * std::tanh(dot / f64(a.softcap));
          const auto at = [&](const int64_t (&t)[4]) { return n * t[0] + h * t[1] + i * t[2] + j * t[3]; };
          if (a.bias != nullptr) dot += f64(a.bias[at(a.bias_strides)]);
          const bool dropped = (a.mask != nullptr && a.mask[at(a.mask_strides)] == 0) || j >= length ||
                               (a.left_window >= 0 && j < p - a.left_window) ||
                               (a.right_window >= 0 && j > p + a.right_window);
          s[static_cast<size_t>(j)] = dropped ? -INFINITY : dot;
          high = std::max(high, s[static_cast<size_t>(j)]);
        }
        for (double& v : s) sum += v = std::isinf(high) ? 0.0 : std::exp(v - high);
        for (int64_t d = 0; d < a.v_dim; ++d) {
          double y = 0;
          for (int64_t j = 0; j < a.kv_len; ++j) {
            y += s[static_cast<size_t>(j)] *
                 f64(a.v[n * a.v_strides.batch + kv * a.v_strides.head + j * a.v_strides.row + d]);
          }
          out.push_back(sum == 0 ? 0 : y / sum);
        }
      }
  return out;
}

TEST(SimdAttention, RandomCasesAgainstFloat64) {
  std::mt19937 engine(1);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (int trial = 0; trial < 120; ++trial) {
    AttentionArgs a;
    a.batch = draw(1, 3);
    a.kv_heads = draw(1, 3);
    a.q_heads = a.kv_heads * (trial % 3 == 0 ? draw(2, 5) : 1);
    a.q_len = trial % 4 == 0 ? 1 : trial % 4 == 1 ? draw(1, 4) : draw(5, 110);
    a.kv_len = draw(1, trial % 2 == 0 ? 300 : 40);
    a.qk_dim = draw(1, 70);
    a.v_dim = draw(1, 70);
    a.scale = 1.0f / std::sqrt(static_cast<float>(a.qk_dim));
    a.softcap = trial % 5 == 0 ? 3.0f : 0.0f;
    const bool interleaved = trial % 2 == 0;  // [batch, rows, heads, dim]
    const auto strides = [&](int64_t heads, int64_t rows, int64_t dim) {
      return interleaved ? HeadStrides{heads * rows * dim, dim, heads * dim} : HeadStrides{heads * rows * dim, rows * dim, dim};
    };
    a.q_strides = strides(a.q_heads, a.q_len, a.qk_dim);
    a.k_strides = strides(a.kv_heads, a.kv_len, a.qk_dim);
    a.v_strides = strides(a.kv_heads, a.kv_len, a.v_dim);
    a.out_strides = strides(a.q_heads, a.q_len, a.v_dim);
    const auto filled = [](int64_t n, uint32_t seed) { return test::random_floats(static_cast<size_t>(n), seed, -3.0f, 3.0f); };
    const std::vector<float> q = filled(a.batch * a.q_heads * a.q_len * a.qk_dim, 1);
    const std::vector<float> k = filled(a.batch * a.kv_heads * a.kv_len * a.qk_dim, 2);
    const std::vector<float> v = filled(a.batch * a.kv_heads * a.kv_len * a.v_dim, 3);
    a.q = q.data();
    a.k = k.data();
    a.v = v.data();
    std::vector<float> bias = filled(a.batch * a.q_heads * a.q_len * a.kv_len, 4);
    std::vector<uint8_t> mask(bias.size());
    for (size_t i = 0; i < mask.size(); ++i) {
      mask[i] = engine() % 3 != 0;
      if (engine() % 11 == 0) bias[i] = -INFINITY;
    }
    const bool per_batch = draw(0, 1) == 1, per_head = draw(0, 1) == 1, per_row = draw(0, 1) == 1;
    const int64_t full[4] = {per_batch ? a.q_heads * a.q_len * a.kv_len : 0, per_head ? a.q_len * a.kv_len : 0,
                             per_row ? a.kv_len : 0, draw(0, 3) == 0 ? 0 : 1};
    if (trial % 3 == 1) {
      a.bias = bias.data();
      std::copy(full, full + 4, a.bias_strides);
    }
    if (trial % 4 >= 2) {
      a.mask = mask.data();
      std::copy(full, full + 4, a.mask_strides);
    }
    std::vector<int64_t> lengths;
    for (int64_t n = 0; n < a.batch; ++n) lengths.push_back(draw(0, a.kv_len));
    if (trial % 7 == 0) a.kv_lengths = lengths.data();
    a.offset_from_lengths = trial % 14 == 0;
    a.offset = draw(-3, a.kv_len);
    if (trial % 3 != 2) a.right_window = trial % 2 == 0 ? 0 : 5;
    if (trial % 6 == 0) a.left_window = draw(0, 20);
    const std::vector<double> want = reference(a);
    for (const Isa isa : test::available_isas()) {
      std::vector<float> first;
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> y(want.size(), NAN);
        std::vector<float> scratch(attention_scratch_bytes_per_worker(a.qk_dim) / 4 * static_cast<size_t>(threads), NAN);
        a.out = y.data();
        attention_f32(isa, a, scratch.data(), pool.parallel());
        if (threads == 1) first = y;
        ASSERT_TRUE(test::same_bits(first, y));
      }
      size_t i = 0;
      for (int64_t n = 0; n < a.batch; ++n)
        for (int64_t h = 0; h < a.q_heads; ++h)
          for (int64_t r = 0; r < a.q_len; ++r)
            for (int64_t d = 0; d < a.v_dim; ++d, ++i) {
              const auto at = static_cast<size_t>(n * a.out_strides.batch + h * a.out_strides.head + r * a.out_strides.row + d);
              ASSERT_NEAR(first[at], want[i], 1e-5) << "trial " << trial << " on " << isa_name(isa);
            }
    }
  }
}

TEST(SimdAttention, LongContextStaysAccurateAndNaNStaysInItsRow) {
  for (const Isa isa : test::available_isas()) {
    AttentionArgs a;
    a.q_len = 6;
    a.kv_len = 3000;
    a.qk_dim = a.v_dim = 32;
    a.scale = 0.5f;
    a.q_strides = a.k_strides = a.v_strides = a.out_strides = {0, 0, 32};
    std::vector<float> q = test::random_floats(6 * 32, 1), y(6 * 32);
    const std::vector<float> k = test::random_floats(3000 * 32, 2), v = test::random_floats(3000 * 32, 3);
    a.q = q.data();
    a.k = k.data();
    a.v = v.data();
    a.out = y.data();
    std::vector<float> scratch(attention_scratch_bytes_per_worker(32) / 4);
    attention_f32(isa, a, scratch.data(), ParallelFor{});
    const std::vector<double> want = reference(a);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], want[i], 4e-6);
    q[2 * 32 + 5] = NAN;
    attention_f32(isa, a, scratch.data(), ParallelFor{});
    for (size_t i = 0; i < y.size(); ++i) {
      if (i / 32 == 2) ASSERT_TRUE(std::isnan(y[i]));
      else ASSERT_NEAR(y[i], want[i], 4e-6);
    }
  }
}

}  // namespace
}  // namespace gf::simd
