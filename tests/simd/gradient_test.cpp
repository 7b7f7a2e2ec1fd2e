// Vector gradients against float64 arithmetic: attention over several blocks of keys and rows, normalised rows, GELU's slope.
// Errors are held against 1e-5 of the sum of absolute products; 1, 2 and 4 threads give the same bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/cpu/simd/attention.h"
#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/norm_grad.h"
#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

double f64(float x) { return static_cast<double>(x); }
size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Sums and the sums of their absolute products.
struct Sums {
  std::vector<double> value, size;
  explicit Sums(int64_t count) : value(at(count)), size(at(count)) {}
  void add(int64_t i, double v, double absolute) {
    value[at(i)] += v;
    size[at(i)] += absolute;
  }
};

void expect_within(const std::vector<float>& got, const Sums& want, const char* what) {
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(f64(got[i]), want.value[i], 1e-5 * want.size[i] + 1e-30) << what << "[" << i << "]";
}

// Heads first; y is given. One query row after the other, scores as a row of doubles.
void reference(const AttentionGradArgs& g, Sums& dq, Sums& dk, Sums& dv) {
  const AttentionArgs& a = g.forward;
  for (int64_t n = 0; n < a.batch; ++n)
    for (int64_t h = 0; h < a.q_heads; ++h)
      for (int64_t i = 0; i < a.q_len; ++i) {
        const int64_t kv = h / (a.q_heads / a.kv_heads);
        const int64_t q0 = n * a.q_strides.batch + h * a.q_strides.head + i * a.q_strides.row;
        const int64_t y0 = n * a.out_strides.batch + h * a.out_strides.head + i * a.out_strides.row;
        const auto k0 = [&](int64_t j) { return n * a.k_strides.batch + kv * a.k_strides.head + j * a.k_strides.row; };
        const auto v0 = [&](int64_t j) { return n * a.v_strides.batch + kv * a.v_strides.head + j * a.v_strides.row; };
        std::vector<double> s(at(a.kv_len)), slope(at(a.kv_len), 1);
        double high = -INFINITY, sum = 0, dot = 0, dot_size = 0;
        for (int64_t j = 0; j < a.kv_len; ++j) {
          double& x = s[at(j)];
          for (int64_t d = 0; d < a.qk_dim; ++d) x += f64(a.q[q0 + d]) * f64(a.k[k0(j) + d]);
          x *= f64(a.scale);
          if (a.softcap > 0) {
            const double t = std::tanh(x / f64(a.softcap));
            x = f64(a.softcap) * t;
            slope[at(j)] = 1 - t * t;
          }
          const int64_t p = i + a.offset;
          const bool hidden = (a.mask != nullptr && a.mask[i * a.mask_strides[2] + j * a.mask_strides[3]] == 0) ||
                              (a.left_window >= 0 && j < p - a.left_window) || (a.right_window >= 0 && j > p + a.right_window);
          if (a.bias != nullptr) x += f64(a.bias[i * a.bias_strides[2] + j * a.bias_strides[3]]);
          if (hidden) x = -INFINITY;
          high = std::max(high, x);
        }
        for (double& v : s) sum += v = std::isinf(high) ? 0 : std::exp(v - high);
        for (int64_t d = 0; d < a.v_dim; ++d) {
          dot += f64(g.y[y0 + d]) * f64(g.dy[y0 + d]);
          dot_size += std::fabs(f64(g.y[y0 + d]) * f64(g.dy[y0 + d]));
        }
        for (int64_t j = 0; j < a.kv_len; ++j) {
          const double w = sum == 0 ? 0 : s[at(j)] / sum;
          double dp = 0, dp_size = 0;
          for (int64_t d = 0; d < a.v_dim; ++d) {
            const double product = f64(g.dy[y0 + d]) * f64(a.v[v0(j) + d]);
            dp += product;
            dp_size += std::fabs(product);
            dv.add(v0(j) + d, w * f64(g.dy[y0 + d]), w * std::fabs(f64(g.dy[y0 + d])));
          }
          const double factor = w * f64(a.scale) * slope[at(j)], ds = factor * (dp - dot);
          const double ds_size = w * f64(a.scale) * (dp_size + dot_size);
          for (int64_t d = 0; d < a.qk_dim; ++d) {
            dq.add(q0 + d, ds * f64(a.k[k0(j) + d]), ds_size * std::fabs(f64(a.k[k0(j) + d])));
            dk.add(k0(j) + d, ds * f64(a.q[q0 + d]), ds_size * std::fabs(f64(a.q[q0 + d])));
          }
        }
      }
}

TEST(SimdGradient, AttentionAgainstFloat64) {
  std::mt19937 engine(3);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (int trial = 0; trial < 40; ++trial) {
    SCOPED_TRACE(trial);
    AttentionGradArgs g;
    AttentionArgs& a = g.forward;
    a.batch = draw(1, 2);
    a.kv_heads = draw(1, 2);
    a.q_heads = a.kv_heads * (trial % 3 == 0 ? 2 : 1);
    a.q_len = trial % 4 == 0 ? draw(1, 5) : draw(40, 110);
    a.kv_len = trial % 9 == 4 ? draw(513, 700) : trial % 2 == 0 ? draw(129, 300) : draw(1, 128);  // above 512: several blocks
    a.qk_dim = draw(1, 40);
    a.v_dim = draw(1, 40);
    a.scale = 1.0f / std::sqrt(static_cast<float>(a.qk_dim));
    a.softcap = trial % 5 == 0 ? 2.0f : 0.0f;
    a.right_window = trial % 3 == 1 ? 0 : -1;
    a.left_window = trial % 7 == 1 ? 20 : -1;
    a.offset = trial % 6 == 1 ? draw(-4, 30) : 0;
    const auto strides = [&](int64_t heads, int64_t rows, int64_t dim) {
      return trial % 4 < 2 ? HeadStrides{heads * rows * dim, dim, heads * dim} : HeadStrides{heads * rows * dim, rows * dim, dim};
    };
    a.q_strides = strides(a.q_heads, a.q_len, a.qk_dim);
    a.k_strides = strides(a.kv_heads, a.kv_len, a.qk_dim);
    a.v_strides = strides(a.kv_heads, a.kv_len, a.v_dim);
    a.out_strides = strides(a.q_heads, a.q_len, a.v_dim);
    const auto filled = [](int64_t n, uint32_t seed) { return test::random_floats(at(n), seed, -1.0f, 1.0f); };
    const std::vector<float> q = filled(a.batch * a.q_strides.batch, 1), k = filled(a.batch * a.k_strides.batch, 2);
    const std::vector<float> v = filled(a.batch * a.v_strides.batch, 3), dy = filled(a.batch * a.out_strides.batch, 4);
    const std::vector<float> bias = filled(a.q_len * a.kv_len, 5);
    std::vector<uint8_t> mask(bias.size());
    for (uint8_t& m : mask) m = engine() % 4 != 0;
    std::fill_n(mask.begin(), at(a.kv_len), uint8_t{0});  // the first query reads nothing
    const int64_t matrix[4] = {0, 0, a.kv_len, 1};
    if (trial % 4 == 1) std::copy(matrix, matrix + 4, a.bias_strides), a.bias = bias.data();
    if (trial % 4 == 2) std::copy(matrix, matrix + 4, a.mask_strides), a.mask = mask.data();
    a.q = q.data(), a.k = k.data(), a.v = v.data(), g.dy = dy.data();
    std::vector<float> y(dy.size()), forward_scratch(attention_scratch_bytes_per_worker(a.qk_dim) / 4);
    a.out = y.data();
    attention_f32(Isa::Portable, a, forward_scratch.data(), ParallelFor{});
    g.y = y.data();
    Sums want_q(static_cast<int64_t>(q.size())), want_k(static_cast<int64_t>(k.size())), want_v(static_cast<int64_t>(v.size()));
    reference(g, want_q, want_k, want_v);
    for (const Isa isa : test::available_isas()) {
      SCOPED_TRACE(isa_name(isa));
      std::vector<float> first[3];
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> dq(q.size(), NAN), dk(k.size(), NAN), dv(v.size(), NAN);
        g.dq = dq.data(), g.dk = dk.data(), g.dv = dv.data();
        std::vector<float> scratch(attention_grad_scratch_bytes_per_worker(a.q_len, a.kv_len, a.qk_dim, a.v_dim) / 4 * at(threads), NAN);
        attention_grad_f32(isa, g, scratch.data(), pool.parallel());
        if (threads == 1) first[0] = dq, first[1] = dk, first[2] = dv;
        ASSERT_TRUE(test::same_bits(first[0], dq) && test::same_bits(first[1], dk) && test::same_bits(first[2], dv));
      }
      expect_within(first[0], want_q, "dq");
      expect_within(first[1], want_k, "dk");
      expect_within(first[2], want_v, "dv");
    }
  }
}

TEST(SimdGradient, NormalisedRowsAgainstFloat64) {
  for (const int64_t rows : {1, 31, 700})
    for (const int64_t cols : {1, 7, 64, 131})
      for (const bool centred : {false, true}) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(cols));
        const auto x = test::random_floats(at(rows * cols), 1, -2.0f, 2.0f), dy = test::random_floats(at(rows * cols), 2, -1.0f, 1.0f);
        const auto gamma = test::random_floats(at(cols), 3, -1.0f, 1.0f), mean = test::random_floats(at(rows), 4, -0.5f, 0.5f);
        const auto inverse = test::random_floats(at(rows), 5, 0.5f, 2.0f);
        Sums dx(rows * cols), dgamma(cols), dbeta(cols);
        for (int64_t r = 0; r < rows; ++r) {
          const auto h = [&](int64_t j) { return (f64(x[at(r * cols + j)]) - (centred ? f64(mean[at(r)]) : 0)) * f64(inverse[at(r)]); };
          double g = 0, gh = 0, g_size = 0, gh_size = 0;
          for (int64_t j = 0; j < cols; ++j) {
            const double d = f64(dy[at(r * cols + j)]), v = d * f64(gamma[at(j)]);
            g += v, g_size += std::fabs(v);
            gh += v * h(j), gh_size += std::fabs(v * h(j));
            dgamma.add(j, d * h(j), std::fabs(d * h(j)));
            dbeta.add(j, d, std::fabs(d));
          }
          if (!centred) g = g_size = 0;
          const double n = static_cast<double>(cols);
          for (int64_t j = 0; j < cols; ++j) {
            const double v = f64(dy[at(r * cols + j)]) * f64(gamma[at(j)]);
            dx.add(r * cols + j, f64(inverse[at(r)]) * (v - g / n - h(j) * gh / n),
                   f64(inverse[at(r)]) * (std::fabs(v) + g_size / n + std::fabs(h(j)) * gh_size / n));
          }
        }
        for (const Isa isa : test::available_isas()) {
          std::vector<float> first[3];
          for (const int threads : {1, 2, 4}) {
            test::TestPool pool(threads);
            std::vector<float> out[3] = {std::vector<float>(x.size(), NAN), std::vector<float>(gamma.size(), NAN), std::vector<float>(gamma.size(), NAN)};
            std::vector<float> scratch(row_norm_grad_scratch_bytes(cols) / 4, NAN);
            const RowNormGrad g{.x = x.data(), .dy = dy.data(), .gamma = gamma.data(), .mean = centred ? mean.data() : nullptr,
                                .inverse = inverse.data(), .dx = out[0].data(), .dgamma = out[1].data(), .dbeta = out[2].data(),
                                .rows = rows, .cols = cols};
            row_norm_grad_f32(isa, g, scratch.data(), pool.parallel());
            for (size_t k = 0; k < 3; ++k) {
              if (threads == 1) first[k] = out[k];
              ASSERT_TRUE(test::same_bits(first[k], out[k])) << isa_name(isa);
            }
          }
          expect_within(first[0], dx, "dx");
          expect_within(first[1], dgamma, "dgamma");
          expect_within(first[2], dbeta, "dbeta");
        }
      }
}

TEST(SimdGradient, SlopesOfGelu) {
  std::vector<float> x;
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) / 10000.0f);
  const std::vector<float> dy(x.size(), 1.0f);
  for (const Isa isa : test::available_isas())
    for (const bool tanh_form : {false, true}) {
      SCOPED_TRACE(std::string(isa_name(isa)) + (tanh_form ? " tanh" : ""));
      std::vector<float> y(x.size(), NAN);
      binary_f32(isa, tanh_form ? BinaryKind::GeluTanhGrad : BinaryKind::GeluGrad, Operands::VectorVector)(
          x.data(), dy.data(), y.data(), static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        const double v = f64(x[i]), k = std::sqrt(2 / M_PI), t = std::tanh(k * (v + 0.044715 * v * v * v));
        const double exact = 0.5 * std::erfc(-v * std::sqrt(0.5)) + v * std::exp(-v * v / 2) / std::sqrt(2 * M_PI);
        const double form = 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * k * (1 + 3 * 0.044715 * v * v);
        ASSERT_NEAR(f64(y[i]), tanh_form ? form : exact, 0x1p-22) << v;
      }
    }
}

}  // namespace
}  // namespace gf::simd
