// Recurrent layers: values from ONNX Runtime 1.32 for small cases, a float64 loop (which agrees with it to 2e-7) for
// random sizes, lengths, directions, layouts and thread counts.
#include "ops/cpu/simd/rnn.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

double f64(float x) { return static_cast<double>(x); }

struct Layer {
  RnnDims d;
  std::vector<float> x, w, r, b, p, h0, c0;
  std::vector<int32_t> lengths;
  bool reverse = false, input_forget = false;
  float clip = 0;
  bool keep = false;           // ask for the values of the gates
  std::vector<float> y, h, c;  // results, y as [steps, batch, hidden]
  std::vector<float> gates;    // [steps, batch, gates * hidden]

  void run(Isa isa, int threads) {
    test::TestPool pool(threads);
    std::vector<float> packed(static_cast<size_t>(rnn_packed_bytes(isa, d) / 4 + 32));
    std::vector<float> scratch(static_cast<size_t>(rnn_scratch_bytes(isa, d, keep && lengths.empty(), threads) / 4 + 32));
    const auto aligned = [](std::vector<float>& v) {
      const auto at = reinterpret_cast<uintptr_t>(v.data());
      return v.data() + (64 - at % 64) % 64 / 4;
    };
    rnn_pack(isa, d, {w.data(), r.data(), b.empty() ? nullptr : b.data(), p.empty() ? nullptr : p.data()}, aligned(packed));
    y.assign(static_cast<size_t>(d.steps * d.batch * d.hidden), NAN);
    h.assign(static_cast<size_t>(d.batch * d.hidden), NAN);
    c = h;
    RnnArgs a;
    a.x = x.data();
    a.packed = aligned(packed);
    a.initial_h = h0.empty() ? nullptr : h0.data();
    a.initial_c = c0.empty() ? nullptr : c0.data();
    a.lengths = lengths.empty() ? nullptr : lengths.data();
    a.reverse = reverse;
    a.clip = clip;
    a.input_forget = input_forget;
    a.y = y.data();
    a.y_step = d.batch * d.hidden;
    a.y_batch = d.hidden;
    a.last_h = h.data();
    a.last_c = c.data();
    gates.assign(static_cast<size_t>(d.steps * d.batch * rnn_gates(d.kind) * d.hidden), NAN);
    if (keep) a.gates = gates.data();
    rnn_f32(isa, d, a, aligned(scratch), pool.parallel());
  }
};

std::vector<float> wave(int64_t n, double phase) {
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i) + phase)));
  return v;
}

TEST(SimdRnn, AgreesWithOnnxRuntime) {
  struct Golden {
    RnnKind kind;
    bool reverse, linear;
    float clip;
    std::vector<float> y, h, c;
  };
  const Golden cases[] = {
      {RnnKind::Lstm, false, false, 0,
       {0.67465681f, 0.14801614f, -0.010402448f, 0.046793837f, 0.23416111f, -0.22422886f, 0.44047257f, 0.21654248f,
        -0.018546345f, 0.061439943f, 0.11268396f, -0.0012870088f, 0.46509984f, 0.26535311f, -0.038125388f, 0, 0, 0},
       {0.46509984f, 0.26535311f, -0.038125388f, 0.061439943f, 0.11268396f, -0.0012870088f},
       {0.89663923f, 1.0348403f, -0.2459563f, 0.077043891f, 0.32953045f, -0.022187442f}},
      {RnnKind::Lstm, true, false, 0.6f,
       {0.17871924f, 0.17570414f, -0.059557509f, 0.10758963f, 0.10051347f, -0.05422933f, 0.29858962f, 0.17897019f,
        0.037251726f, -0.040127665f, -0.084939525f, -0.099509992f, 0.38241032f, 0.12111991f, 0.057601638f, 0, 0, 0},
       {0.17871924f, 0.17570414f, -0.059557509f, 0.10758963f, 0.10051347f, -0.05422933f},
       {0.55514568f, 0.54379857f, -0.15719321f, 0.3135142f, 0.29165888f, -0.084189378f}},
      {RnnKind::Gru, false, false, 0,
       {0.42944205f, 0.74329722f, -0.030623257f, 0.098850191f, -0.17010559f, -0.78784275f, 0.12771937f, 0.56510019f,
        -0.22831783f, -0.70728904f, -0.16395818f, -0.69545168f, -0.15383562f, 0.31733757f, -0.27672851f, 0, 0, 0},
       {-0.15383562f, 0.31733757f, -0.27672851f, -0.70728904f, -0.16395818f, -0.69545168f}, {}},
      {RnnKind::Gru, true, true, 0,
       {0.11861514f, 0.19603744f, 0.046086714f, -0.53517234f, -0.0030225925f, -0.63089013f, 0.23718445f, 0.30234444f,
        0.33936033f, -0.55066264f, 0.029985972f, -0.61169511f, 0.41599733f, 0.49673823f, 0.56105483f, 0, 0, 0},
       {0.11861514f, 0.19603744f, 0.046086714f, -0.53517234f, -0.0030225925f, -0.63089013f}, {}},
      {RnnKind::Tanh, false, false, 0,
       {0.99792123f, 0.84860516f, -0.938555f, 0.79632545f, 0.99692178f, -0.082937837f, 0.64520168f, 0.96579206f,
        -0.67506486f, 0.78051591f, -0.16636866f, -0.7457425f, 0.86267269f, 0.85059631f, -0.7950201f, 0, 0, 0},
       {0.86267269f, 0.85059631f, -0.7950201f, 0.78051591f, -0.16636866f, -0.7457425f}, {}}};
  for (const Isa isa : test::available_isas()) {
    for (const Golden& g : cases) {
      Layer l;
      l.d = {g.kind, 3, 2, 2, 3, g.linear};
      const int64_t rows = rnn_gates(g.kind) * 3;
      l.x = wave(12, 0.1);
      l.w = wave(rows * 2, 0.2);
      l.r = wave(rows * 3, 0.3);
      l.b = wave(rows * 2, 0.4);
      l.lengths = {3, 2};
      l.h0 = wave(6, 0.5);
      l.reverse = g.reverse;
      l.clip = g.clip;
      if (g.kind == RnnKind::Lstm) {
        l.c0 = wave(6, 0.6);
        l.p = wave(9, 0.7);
      }
      l.run(isa, 1);
      for (size_t i = 0; i < g.y.size(); ++i) EXPECT_NEAR(l.y[i], g.y[i], 5e-7) << isa_name(isa);
      for (size_t i = 0; i < g.h.size(); ++i) EXPECT_NEAR(l.h[i], g.h[i], 5e-7);
      for (size_t i = 0; i < g.c.size(); ++i) EXPECT_NEAR(l.c[i], g.c[i], 5e-7);
    }
  }
}

// The layer in float64: y, last h, last c.
void reference(const Layer& l, std::vector<double>& y, std::vector<double>& h, std::vector<double>& c) {
  const RnnDims& d = l.d;
  const auto n = static_cast<size_t>(d.hidden), batch = static_cast<size_t>(d.batch), input = static_cast<size_t>(d.input);
  const auto gates = static_cast<size_t>(rnn_gates(d.kind)), steps = static_cast<size_t>(d.steps);
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  const auto limit = [&](double v) { return l.clip > 0 ? std::clamp(v, -f64(l.clip), f64(l.clip)) : v; };
  const auto dot = [](const float* a, const double* b, size_t k) {
    double s = 0;
    for (size_t i = 0; i < k; ++i) s += f64(a[i]) * b[i];
    return s;
  };
  y.assign(steps * batch * n, 0);
  h.assign(batch * n, 0);
  c.assign(batch * n, 0);
  for (size_t i = 0; i < h.size(); ++i) {
    if (!l.h0.empty()) h[i] = f64(l.h0[i]);
    if (!l.c0.empty()) c[i] = f64(l.c0[i]);
  }
  for (size_t b = 0; b < batch; ++b) {
    const size_t length = l.lengths.empty() ? steps : static_cast<size_t>(l.lengths[b]);
    for (size_t s = 0; s < length; ++s) {
      const size_t t = l.reverse ? length - 1 - s : s;
      std::vector<double> x(input), state(h.begin() + static_cast<long>(b * n), h.begin() + static_cast<long>((b + 1) * n));
      for (size_t i = 0; i < input; ++i) x[i] = f64(l.x[(t * batch + b) * input + i]);
      const auto bias = [&](size_t k) { return l.b.empty() ? 0.0 : f64(l.b[k]); };
      const auto in = [&](size_t k) { return dot(&l.w[k * input], x.data(), input) + bias(k); };
      const auto rec = [&](size_t k, const std::vector<double>& v) { return dot(&l.r[k * n], v.data(), n) + bias(gates * n + k); };
      const auto peep = [&](size_t k) { return l.p.empty() ? 0.0 : f64(l.p[k]); };
      std::vector<double> reset = state;
      for (size_t j = 0; j < n && d.kind == RnnKind::Gru; ++j) reset[j] *= sigmoid(limit(in(n + j) + rec(n + j, state)));
      for (size_t j = 0; j < n; ++j) {
        double& hj = h[b * n + j];
        if (d.kind == RnnKind::Lstm) {
          double& cj = c[b * n + j];
          const double i = sigmoid(limit(in(j) + rec(j, state) + peep(j) * cj));
          const double f = l.input_forget ? 1 - i : sigmoid(limit(in(2 * n + j) + rec(2 * n + j, state) + peep(2 * n + j) * cj));
          cj = f * cj + i * std::tanh(limit(in(3 * n + j) + rec(3 * n + j, state)));
          hj = sigmoid(limit(in(n + j) + rec(n + j, state) + peep(n + j) * cj)) * std::tanh(cj);
        } else if (d.kind == RnnKind::Gru) {
          const double z = sigmoid(limit(in(j) + rec(j, state)));
          const double r = sigmoid(limit(in(n + j) + rec(n + j, state)));
          const double q = d.linear_before_reset ? r * rec(2 * n + j, state) : rec(2 * n + j, reset);
          hj = (1 - z) * std::tanh(limit(in(2 * n + j) + q)) + z * state[j];
        } else {
          const double v = limit(in(j) + rec(j, state));
          hj = d.kind == RnnKind::Relu ? std::max(v, 0.0) : std::tanh(v);
        }
        y[(t * batch + b) * n + j] = hj;
      }
    }
  }
}

TEST(SimdRnn, RandomLayersAgainstFloat64AndBitEqualForAnyThreads) {
  std::mt19937 engine(2);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (int trial = 0; trial < 60; ++trial) {
    Layer l;
    l.d = {static_cast<RnnKind>(trial % 4), draw(1, 9), draw(1, 7), draw(1, 40), draw(1, 70), trial % 8 >= 4};
    const int64_t rows = rnn_gates(l.d.kind) * l.d.hidden;
    const auto filled = [](int64_t n, uint32_t seed, float size) {
      return test::random_floats(static_cast<size_t>(n), seed, -size, size);
    };
    l.x = filled(l.d.steps * l.d.batch * l.d.input, 1, 1);
    l.w = filled(rows * l.d.input, 2, 0.3f);
    l.r = filled(rows * l.d.hidden, 3, 0.2f);
    if (trial % 5 != 0) l.b = filled(2 * rows, 4, 0.5f);
    if (trial % 3 != 1) l.h0 = filled(l.d.batch * l.d.hidden, 5, 1);
    if (trial % 3 != 2) l.c0 = filled(l.d.batch * l.d.hidden, 6, 1);
    if (trial % 2 == 0) l.p = filled(3 * l.d.hidden, 7, 0.5f);
    if (l.d.kind != RnnKind::Lstm) l.p.clear();
    l.reverse = draw(0, 1) == 1;
    l.input_forget = trial % 7 == 0;
    l.clip = trial % 6 == 0 ? 0.5f : 0.0f;
    if (trial % 4 == 1 || trial % 5 == 0) {
      for (int64_t b = 0; b < l.d.batch; ++b) l.lengths.push_back(static_cast<int32_t>(draw(0, l.d.steps)));
    }
    std::vector<double> y, h, c;
    reference(l, y, h, c);
    for (const Isa isa : test::available_isas()) {
      std::vector<float> first;
      for (const int threads : {1, 2, 4}) {
        l.run(isa, threads);
        if (threads == 1) first = l.y;
        ASSERT_TRUE(test::same_bits(first, l.y));
      }
      if (l.d.kind == RnnKind::Lstm || l.d.kind == RnnKind::Gru) {  // what a gradient reads changes nothing else
        l.keep = true;
        l.run(isa, 2);
        l.keep = false;
        ASSERT_TRUE(test::same_bits(first, l.y));
        for (const float g : l.gates) ASSERT_TRUE(g >= -1 && g <= 1);
      }
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(l.y[i], y[i], 5e-6) << "trial " << trial << " " << isa_name(isa);
      for (size_t i = 0; i < h.size(); ++i) ASSERT_NEAR(l.h[i], h[i], 5e-6);
      for (size_t i = 0; i < c.size() && l.d.kind == RnnKind::Lstm; ++i) ASSERT_NEAR(l.c[i], c[i], 5e-6);
    }
  }
}

}  // namespace
}  // namespace gf::simd
