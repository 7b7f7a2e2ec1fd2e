// Random ops: Philox against the known answers of Random123 (Salmon et al. 2011, kat_vectors), distributions, seeds.
#include "schema/random.h"
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32(0, 0, 0), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32(0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

template <class Op>
HostTensor draw(const HostInputs& inputs, const Attributes& attributes, int threads = 1) {
  RoughParallel rough{threads};
  EvaluateOptions options;
  if (threads > 1) options.parallel = rough.get();
  return evaluate(op_def<Op>, attributes, inputs, default_tables(), options)[0];
}

struct Statistics {
  double mean = 0, deviation = 0, least = 1e300, largest = -1e300;
  explicit Statistics(const HostTensor& t) {
    const auto v = t.as<double>();
    for (const double x : v) {
      mean += x / static_cast<double>(v.size());
      least = std::min(least, x);
      largest = std::max(largest, x);
    }
    for (const double x : v) deviation += (x - mean) * (x - mean) / static_cast<double>(v.size());
    deviation = std::sqrt(deviation);
  }
};

// 100,000 draws: the standard error of the mean is deviation / 316; four of them are allowed.
TEST(Random, UniformFillsItsInterval) {
  for (const DType t : {DType::F32, DType::F64, DType::F16, DType::BF16}) {
    const HostTensor y = draw<op::RandomUniform>({i64({2}, {100, 1000})}, {{"dtype", t}, {"low", -1.0}, {"high", 3.0}, {"seed", 7}});
    EXPECT_EQ(y.dtype, t);
    const Statistics s(y);
    EXPECT_NEAR(s.mean, 1.0, 4 * 1.1547 / 316);
    EXPECT_NEAR(s.deviation, 4 / std::sqrt(12.0), 0.02);
    EXPECT_GE(s.least, -1.0);
    EXPECT_LE(s.largest, 3.0);
    if (t == DType::F32 || t == DType::F64) {
      EXPECT_LT(s.largest, 3.0);  // narrower types may round to the end
    }
  }
}

TEST(Random, NormalHasMeanAndScale) {
  for (const DType t : {DType::F32, DType::F64, DType::F16}) {
    const Statistics s(draw<op::RandomNormal>({i64({1}, {100000})}, {{"dtype", t}, {"mean", 2.0}, {"scale", 0.5}, {"seed", 3}}));
    EXPECT_NEAR(s.mean, 2.0, 4 * 0.5 / 316);
    EXPECT_NEAR(s.deviation, 0.5, 0.01);
    EXPECT_GT(s.largest, 2.0 + 3.5 * 0.5);
  }
}

TEST(Random, SameSeedSameBytesForAnyThreads) {
  const HostInputs shape{i64({1}, {50001})};
  const Attributes a{{"seed", 11}};
  const HostTensor y = draw<op::RandomNormal>(shape, a);
  EXPECT_EQ(draw<op::RandomNormal>(shape, a, 3), y);
  EXPECT_NE(draw<op::RandomNormal>(shape, {{"seed", 12}}), y);
  const HostInputs first{i64({1}, {50001}), i64({}, {0})}, second{i64({1}, {50001}), i64({}, {1})};
  EXPECT_EQ(draw<op::RandomNormal>(first, a), y);
  EXPECT_NE(draw<op::RandomNormal>(second, a), y);
}

TEST(Random, BernoulliFollowsItsProbabilities) {
  std::vector<float> p(100000);
  for (size_t k = 0; k < p.size(); ++k) p[k] = k % 2 == 0 ? 0.25F : (k % 4 == 1 ? 0.0F : 1.0F);
  const auto y = draw<op::Bernoulli>({f32({100000}, p)}, {{"dtype", DType::I32}, {"seed", 5}}).as<int64_t>();
  int64_t sum = 0;
  for (size_t k = 0; k < y.size(); ++k) {
    if (k % 2 == 0) {
      sum += y[k];
    } else {
      EXPECT_EQ(y[k], k % 4 == 1 ? 0 : 1);
    }
  }
  EXPECT_NEAR(static_cast<double>(sum) / 50000, 0.25, 4 * 0.433 / 224);
}

TEST(Random, MultinomialFollowsItsWeights) {
  const float inf = std::numeric_limits<float>::infinity();
  const HostTensor logits = f32({2, 3}, {std::log(0.2F), std::log(0.3F), std::log(0.5F), -inf, 0, -inf});
  const auto y = draw<op::Multinomial>({logits}, {{"sample_size", 50000}, {"dtype", DType::I64}, {"seed", 9}}).as<int64_t>();
  double counts[3] = {};
  for (size_t k = 0; k < 50000; ++k) counts[y[k]] += 1.0 / 50000;
  EXPECT_NEAR(counts[0], 0.2, 0.01);
  EXPECT_NEAR(counts[1], 0.3, 0.01);
  EXPECT_NEAR(counts[2], 0.5, 0.01);
  for (size_t k = 50000; k < 100000; ++k) EXPECT_EQ(y[k], 1);
}

TEST(Random, DropoutScalesWhatItKeeps) {
  const HostTensor x = f32({40000}, std::vector<float>(40000, 3.0F));
  EvaluateOptions options;
  options.outputs = 2;
  const auto y = evaluate(op_def<op::Dropout>, {{"ratio", 0.25}, {"training", true}, {"seed", 1}}, {x}, default_tables(), options);
  const auto values = y[0].as<double>(), mask = y[1].as<double>();
  double kept = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    EXPECT_EQ(values[k], mask[k] == 0 ? 0.0 : 4.0);
    kept += mask[k] / 40000;
  }
  EXPECT_NEAR(kept, 0.75, 4 * 0.433 / 200);
  const auto plain = evaluate(op_def<op::Dropout>, {{"ratio", 0.25}}, {x}, default_tables(), options);
  EXPECT_EQ(plain[0], x);
  EXPECT_EQ(plain[1].as<int64_t>(), std::vector<int64_t>(40000, 1));
}

TEST(Random, RefusesWrongInput) {
  expect_error<op::RandomNormal>(Error::BadAttribute, "int32", {i64({1}, {3})}, {{"dtype", DType::I32}});
  expect_error<op::RandomNormal>(Error::ShapeMismatch, "negative", {i64({1}, {-3})});
  expect_error<op::RandomNormal>(Error::LimitExceeded, "rank", {i64({9}, std::vector<int64_t>(9, 1))});
  expect_error<op::RandomUniform>(Error::LimitExceeded, "no bounded size", {i64({2}, {int64_t{1} << 40, int64_t{1} << 40})});
  expect_error<op::Dropout>(Error::BadAttribute, "ratio", {f32({1}, {1})}, {{"ratio", 1.0}});
  expect_error<op::Multinomial>(Error::ShapeMismatch, "no classes", {f32({1, 0}, {})});
  expect_error<op::Multinomial>(Error::BadAttribute, "sample_size", {f32({1, 1}, {1})}, {{"sample_size", 0}});
}

}  // namespace
}  // namespace gf::test
