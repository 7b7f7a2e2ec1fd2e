// Normalisations against float64 formulas: shapes with tails, optional inputs, in place, large means, thread counts.
#include "ops/cpu/simd/norm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ops/cpu/simd/batch_norm.h"
#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

using test::available_isas;
using test::random_floats;
double f64(float x) { return static_cast<double>(x); }

TEST(SimdNorm, LayerAndRmsNormRows) {
  for (const Isa isa : available_isas()) {
    for (const int64_t cols : {1, 3, 16, 33, 384, 768, 1021}) {
      for (int mode = 0; mode < 16; ++mode) {
        const bool rms = (mode & 1) != 0, gamma = (mode & 2) != 0, beta = (mode & 4) != 0, residual = (mode & 8) != 0;
        const int64_t rows = 37;
        const auto n = static_cast<size_t>(rows * cols);
        const std::vector<float> x = random_floats(n, 1, 3.0f, 5.0f), r = random_floats(n, 2);
        const std::vector<float> g = random_floats(static_cast<size_t>(cols), 3), b = random_floats(static_cast<size_t>(cols), 4);
        std::vector<float> first;
        for (const int threads : {1, 2, 4}) {
          test::TestPool pool(threads);
          std::vector<float> y(n), sum(n), mean(static_cast<size_t>(rows)), inv(static_cast<size_t>(rows));
          RowNorm a;
          a.in = x.data();
          a.residual = residual ? r.data() : nullptr;
          a.gamma = gamma ? g.data() : nullptr;
          a.beta = beta ? b.data() : nullptr;
          a.out = y.data();
          a.sum = residual && threads != 2 ? sum.data() : nullptr;
          a.mean = mean.data();
          a.inv_std = inv.data();
          a.rows = rows;
          a.cols = cols;
          a.epsilon = 1e-3f;
          (rms ? rms_norm_f32 : layer_norm_f32)(isa, a, pool.parallel());
          if (threads == 1) first = y;
          EXPECT_TRUE(test::same_bits(first, y));
          if (threads != 1) continue;
          for (int64_t row = 0; row < rows; ++row) {
            const auto at = static_cast<size_t>(row * cols);
            double m = 0, v = 0;
            const auto value = [&](size_t i) { return residual ? f64(x[at + i] + r[at + i]) : f64(x[at + i]); };
            for (size_t i = 0; i < static_cast<size_t>(cols); ++i) m += value(i) / static_cast<double>(cols);
            if (rms) m = 0;
            for (size_t i = 0; i < static_cast<size_t>(cols); ++i) v += (value(i) - m) * (value(i) - m) / static_cast<double>(cols);
            const double s = 1 / std::sqrt(v + 1e-3);
            ASSERT_NEAR(inv[static_cast<size_t>(row)], s, 2e-6 * s);
            if (!rms) { ASSERT_NEAR(mean[static_cast<size_t>(row)], m, 1e-6 * 4); }
            for (size_t i = 0; i < static_cast<size_t>(cols); ++i) {
              const double want = (value(i) - m) * s * (gamma ? f64(g[i]) : 1.0) + (beta ? f64(b[i]) : 0.0);
              ASSERT_NEAR(y[at + i], want, 1e-6 * (4 * s + 2)) << isa_name(isa) << " cols " << cols << " mode " << mode;
              if (residual) { ASSERT_EQ(sum[at + i], x[at + i] + r[at + i]); }
            }
          }
        }
      }
    }
  }
}

TEST(SimdNorm, LargeMeansDoNotCancel) {
  for (const Isa isa : available_isas()) {
    std::vector<float> x(768), y(768);
    for (size_t i = 0; i < 768; ++i) x[i] = 1000.0f + (i % 2 == 0 ? 0.5f : -0.5f);
    RowNorm a;
    a.in = x.data();
    a.out = y.data();
    a.rows = 1;
    a.cols = 768;
    a.epsilon = 0;
    layer_norm_f32(isa, a, ParallelFor{});
    for (size_t i = 0; i < 768; ++i) EXPECT_NEAR(y[i], i % 2 == 0 ? 1 : -1, 1e-6);
  }
}

TEST(SimdNorm, BatchNormWithGivenStatistics) {
  for (const Isa isa : available_isas()) {
    for (const int64_t channels : {1, 3, 17, 64}) {
      const auto c = static_cast<size_t>(channels);
      const std::vector<float> gamma = random_floats(c, 1), beta = random_floats(c, 2), mean = random_floats(c, 3);
      const std::vector<float> variance = random_floats(c, 4, 0.1f, 3.0f);
      std::vector<float> scale(c);
      batch_norm_scale(gamma.data(), variance.data(), 1e-5f, channels, scale.data());
      for (const Activation f : {Activation::None, Activation::Relu, Activation::Clamp}) {
        const int64_t rows = 700;
        const std::vector<float> x = random_floats(static_cast<size_t>(rows * channels), 5);
        std::vector<float> y = x;
        test::TestPool pool(3);
        const BatchNormArgs a{.in = y.data(), .mean = mean.data(), .scale = scale.data(), .bias = beta.data(), .activation = {f, -0.5f, 0.75f},
                              .out = y.data(), .rows = rows, .channels = channels};
        batch_norm_f32(isa, a, pool.parallel());
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t k = i % c;
          double want = (f64(x[i]) - f64(mean[k])) / std::sqrt(f64(variance[k]) + 1e-5) * f64(gamma[k]) + f64(beta[k]);
          if (f == Activation::Relu) want = std::max(want, 0.0);
          if (f == Activation::Clamp) want = std::min(std::max(want, -0.5), 0.75);
          ASSERT_NEAR(y[i], want, 3e-6 * (1 + std::fabs(f64(scale[k]))));
        }
      }
    }
  }
}

// Statistics and gradients of a batch: tails of channels, one to many blocks of rows, a large mean, each activation.
TEST(SimdNorm, BatchNormOfTheBatchAgainstFloat64) {
  for (const int64_t rows : {1, 5, 200, 4500})
    for (const int64_t channels : {1, 7, 40, 131})
      for (const Activation f : {Activation::None, Activation::Relu, Activation::Clamp}) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(channels) + " activation " + std::to_string(static_cast<int>(f)));
        const auto c = static_cast<size_t>(channels), n = static_cast<size_t>(rows);
        std::vector<float> x = random_floats(n * c, 1, -2.0f, 2.0f);
        for (size_t i = 0; i < x.size(); i += c) x[i] += 50.0f;  // far from 0
        const std::vector<float> dy = random_floats(n * c, 2, -1.0f, 1.0f), gamma = random_floats(c, 3, 0.5f, 1.5f), beta = random_floats(c, 4, -1.0f, 1.0f);
        std::vector<double> mean(c), variance(c);
        for (size_t k = 0; k < c; ++k) {
          for (size_t r = 0; r < n; ++r) mean[k] += f64(x[r * c + k]) / static_cast<double>(n);
          for (size_t r = 0; r < n; ++r) variance[k] += (f64(x[r * c + k]) - mean[k]) * (f64(x[r * c + k]) - mean[k]) / static_cast<double>(n);
        }
        for (const Isa isa : available_isas()) {
          SCOPED_TRACE(isa_name(isa));
          std::vector<float> first[5];
          for (const int threads : {1, 2, 4}) {
            test::TestPool pool(threads);
            std::vector<float> out[5] = {std::vector<float>(c, NAN), std::vector<float>(c, NAN), dy, std::vector<float>(c, NAN), std::vector<float>(c, NAN)};
            std::vector<float> scratch(batch_statistics_scratch_bytes(rows, channels) / 4, NAN);
            batch_statistics_f32(isa, x.data(), rows, channels, out[0].data(), out[1].data(), scratch.data(), pool.parallel());
            scratch.assign(batch_norm_grad_scratch_bytes(rows, channels) / 4, NAN);
            BatchNormGradArgs g{.x = x.data(), .dy = out[2].data(), .gamma = gamma.data(), .mean = out[0].data(), .variance = out[1].data(),
                                .epsilon = 1e-3f, .activation = {f, -0.5f, 0.75f}, .dx = out[2].data(), .dgamma = out[3].data(),
                                .dbeta = out[4].data(), .rows = rows, .channels = channels};
            if (f != Activation::None) g.beta = beta.data();
            batch_norm_grad_f32(isa, g, scratch.data(), pool.parallel());
            for (size_t k = 0; k < 5; ++k) {
              if (threads == 1) first[k] = out[k];
              ASSERT_TRUE(test::same_bits(first[k], out[k])) << threads << " threads, result " << k;
            }
          }
          for (size_t k = 0; k < c; ++k) {
            ASSERT_NEAR(f64(first[0][k]), mean[k], 1e-6 * (1 + std::fabs(mean[k])));
            ASSERT_NEAR(f64(first[1][k]), variance[k], 1e-5 * (variance[k] + 1e-30));
            // gradients by the statistics that were given
            const double m = f64(first[0][k]), r = 1 / std::sqrt(f64(first[1][k]) + f64(1e-3f)), count = static_cast<double>(n);
            double of_g = 0, of_gh = 0, g_size = 0, gh_size = 0;
            std::vector<double> g(n), h(n);
            bool near_the_edge = false;
            for (size_t i = 0; i < n; ++i) {
              h[i] = (f64(x[i * c + k]) - m) * r;
              const double s = h[i] * f64(gamma[k]) + f64(beta[k]), edges[] = {f == Activation::Relu ? 0.0 : -0.5, f == Activation::Relu ? 0.0 : 0.75};
              g[i] = f == Activation::None || (f == Activation::Relu ? s > 0 : s >= -0.5 && s <= 0.75) ? f64(dy[i * c + k]) : 0;
              for (const double e : edges) near_the_edge = near_the_edge || (f != Activation::None && std::fabs(s - e) < 2e-5);
              of_g += g[i], g_size += std::fabs(g[i]);
              of_gh += g[i] * h[i], gh_size += std::fabs(g[i] * h[i]);
            }
            if (near_the_edge) continue;  // rounding may decide
            ASSERT_NEAR(f64(first[3][k]), of_gh, 1e-5 * gh_size + 1e-30);
            ASSERT_NEAR(f64(first[4][k]), of_g, 1e-5 * g_size + 1e-30);
            for (size_t i = 0; i < n; ++i) {
              const double want = f64(gamma[k]) * r * (g[i] - of_g / count - h[i] * of_gh / count);
              const double size = std::fabs(f64(gamma[k])) * r * (std::fabs(g[i]) + g_size / count + std::fabs(h[i]) * gh_size / count);
              ASSERT_NEAR(f64(first[2][i * c + k]), want, 1e-5 * size + 1e-30);
            }
          }
        }
      }
}

TEST(SimdNorm, GroupAndInstanceNorm) {
  struct Case {
    int64_t batch, spatial, channels, groups;
  };
  for (const Isa isa : available_isas()) {
    for (const Case& s : {Case{2, 49, 32, 8}, Case{1, 4000, 20, 5}, Case{3, 10, 6, 6}, Case{2, 300, 33, 1}, Case{1, 1, 4, 2}}) {
      const auto n = static_cast<size_t>(s.batch * s.spatial * s.channels), c = static_cast<size_t>(s.channels);
      std::vector<float> x = random_floats(n, 1, 8.0f, 10.0f);
      const std::vector<float> gamma = random_floats(c, 2), beta = random_floats(c, 3);
      std::vector<float> scratch(group_norm_scratch_bytes(s.batch, s.spatial, s.channels) / 4), first;
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> y = x;
        group_norm_f32(isa, y.data(), gamma.data(), beta.data(), y.data(), s.batch, s.spatial, s.channels, s.groups, 1e-3f,
                       scratch.data(), pool.parallel());
        if (threads == 1) first = y;
        EXPECT_TRUE(test::same_bits(first, y));
      }
      const int64_t width = s.channels / s.groups;
      for (int64_t b = 0; b < s.batch; ++b) {
        for (int64_t g = 0; g < s.groups; ++g) {
          double mean = 0, variance = 0;
          const double count = static_cast<double>(s.spatial * width);
          const auto each = [&](auto&& f) {
            for (int64_t p = 0; p < s.spatial; ++p) {
              for (int64_t k = g * width; k < (g + 1) * width; ++k) {
                f(static_cast<size_t>((b * s.spatial + p) * s.channels + k), static_cast<size_t>(k));
              }
            }
          };
          each([&](size_t i, size_t) { mean += f64(x[i]) / count; });
          each([&](size_t i, size_t) { variance += (f64(x[i]) - mean) * (f64(x[i]) - mean) / count; });
          each([&](size_t i, size_t k) {
            const double s1 = 1 / std::sqrt(variance + 1e-3);
            const double want = (f64(x[i]) - mean) * s1 * f64(gamma[k]) + f64(beta[k]);
            // y = x scale + shift: cancels by mean / std, here up to 10 / sqrt(1e-3)
            ASSERT_NEAR(first[i], want, 2.5e-7 * (10 * s1 * 2 + 2)) << isa_name(isa);
          });
        }
      }
    }
  }
}

TEST(SimdNorm, LpNormalize) {
  for (const Isa isa : available_isas()) {
    for (const int64_t inner : {1, 5, 40}) {
      for (const int p : {1, 2}) {
        const int64_t outer = 6, axis = 65;
        std::vector<float> x = random_floats(static_cast<size_t>(outer * axis * inner), 4);
        for (int64_t a = 0; a < axis; ++a) x[static_cast<size_t>(a * inner)] = 0;  // a zero line
        std::vector<float> y(x.size()), scratch(lp_normalize_scratch_bytes(outer, axis, inner) / 4);
        lp_normalize_f32(isa, p, x.data(), y.data(), outer, axis, inner, 0.0f, scratch.data(), ParallelFor{});
        for (int64_t o = 0; o < outer; ++o) {
          for (int64_t i = 0; i < inner; ++i) {
            const auto at = [&](int64_t a) { return static_cast<size_t>((o * axis + a) * inner + i); };
            double norm = 0;
            for (int64_t a = 0; a < axis; ++a) norm += p == 1 ? std::fabs(f64(x[at(a)])) : f64(x[at(a)]) * f64(x[at(a)]);
            if (p == 2) norm = std::sqrt(norm);
            for (int64_t a = 0; a < axis; ++a) ASSERT_NEAR(y[at(a)], norm == 0 ? 0 : f64(x[at(a)]) / norm, 3e-7);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gf::simd
