// Elementwise, cast and selection ops: wrong input, hazards, odd cases. Values: golden_test.cpp.
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

const HostTensor kVector = f32({3}, {1, 2, 3});

TEST(Elementwise, RefusesShapesThatDoNotBroadcast) {
  expect_error<op::Add>(Error::ShapeMismatch, "do not broadcast", {f32({2, 3}, {1, 2, 3, 4, 5, 6}), f32({2}, {1, 2})});
  expect_error<op::Less>(Error::ShapeMismatch, "do not broadcast", {kVector, f32({2}, {1, 2})});
  expect_error<op::Where>(Error::ShapeMismatch, "do not broadcast", {boolean({2}, {1, 0}), kVector, kVector});
}

TEST(Elementwise, RefusesMixedAndWrongTypes) {
  expect_error<op::Add>(Error::TypeMismatch, "differ in type", {kVector, i64({3}, {1, 2, 3})});
  expect_error<op::Exp>(Error::TypeMismatch, "int64", {i64({1}, {1})});
  expect_error<op::And>(Error::TypeMismatch, "float32", {kVector, kVector});
  expect_error<op::Where>(Error::TypeMismatch, "float32", {kVector, kVector, kVector});
  expect_error<op::BitShift>(Error::TypeMismatch, "float32", {kVector, kVector});
}

TEST(Elementwise, RefusesWrongArityAndAttributes) {
  expect_error<op::Add>(Error::BadGraph, "1 inputs given", {kVector});
  expect_error<op::Add>(Error::BadGraph, "missing", {kVector, std::nullopt});
  expect_error<op::Relu>(Error::BadAttribute, "no attribute 'alpha'", {kVector}, {{"alpha", 1.0}});
  expect_error<op::Gelu>(Error::BadAttribute, "outside [0, 1]", {kVector}, {{"approximate", 2}});
  expect_error<op::LeakyRelu>(Error::BadAttribute, "wrong type", {kVector}, {{"alpha", "x"}});
  expect_error<op::Celu>(Error::BadAttribute, "alpha is 0", {kVector}, {{"alpha", 0.0}});
  expect_error<op::Cast>(Error::BadAttribute, "string", {kVector}, {{"to", DType::String}});
  expect_error<op::Cast>(Error::BadAttribute, "complex64", {kVector}, {{"to", DType::C64}});
  expect_error<op::BitCast>(Error::BadAttribute, "differ in width", {kVector}, {{"to", DType::F64}});
}

TEST(Elementwise, SlopeOfPReluMayNotEnlargeTheInput) {
  expect_error<op::PRelu>(Error::ShapeMismatch, "slope", {f32({1}, {1}), kVector});
  expect_error<op::PRelu>(Error::ShapeMismatch, "slope", {kVector, f32({1, 3}, {1, 2, 3})});
}

TEST(Elementwise, IntegerHazardsAreTypedErrors) {
  for (const DType t : {DType::I8, DType::U8, DType::I32, DType::U32, DType::I64, DType::U64}) {
    const HostTensor a = tensor<int64_t>(t, {2}, {1, 2}), b = tensor<int64_t>(t, {2}, {1, 0});
    expect_error<op::Div>(Error::DivisionByZero, "element of the second input is 0", {a, b});
    expect_error<op::Mod>(Error::DivisionByZero, "element of the second input is 0", {a, b});
    expect_error<op::Mod>(Error::DivisionByZero, "element of the second input is 0", {a, b}, {{"fmod", true}});
  }
  expect_error<op::Pow>(Error::DivisionByZero, "zero to a negative", {i64({1}, {0}), i64({1}, {-1})});
}

TEST(Elementwise, HazardDeepInALargeTensorIsFoundWithThreads) {
  std::vector<int64_t> ones(100000, 1);
  std::vector<int64_t> divisor = ones;
  divisor[77777] = 0;
  RoughParallel rough;
  EvaluateOptions options;
  options.parallel = rough.get();
  const HostInputs inputs{i64({100000}, ones), i64({100000}, divisor)};
  EXPECT_THROW(evaluate(op_def<op::Div>, {}, inputs, default_tables(), options), Exception);
}

TEST(Elementwise, SmallestIntegerOverMinusOneWraps) {
  const int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(run_one<op::Div>({i64({1}, {least}), i64({1}, {-1})}), i64({1}, {least}));
  EXPECT_EQ(run_one<op::Mod>({i64({1}, {least}), i64({1}, {-1})}), i64({1}, {0}));
}

TEST(Elementwise, ShiftsBeyondTheWidthPushEverythingOut) {
  const HostTensor x = tensor<int64_t>(DType::I32, {4}, {-8, 8, -8, 8}), n = tensor<int64_t>(DType::I32, {4}, {32, 32, -1, 99});
  EXPECT_EQ(run_one<op::BitShift>({x, n}, {{"direction", 1}}), tensor<int64_t>(DType::I32, {4}, {-1, 0, -1, 0}));
  EXPECT_EQ(run_one<op::BitShift>({x, n}, {{"direction", 0}}), tensor<int64_t>(DType::I32, {4}, {0, 0, 0, 0}));
  const HostTensor u = tensor<uint64_t>(DType::U64, {2}, {~uint64_t{0}, 1});
  const HostTensor m = tensor<uint64_t>(DType::U64, {2}, {64, ~uint64_t{0}});
  EXPECT_EQ(run_one<op::BitShift>({u, m}, {{"direction", 1}}), tensor<uint64_t>(DType::U64, {2}, {0, 0}));
}

TEST(Elementwise, EmptyAndScalarTensors) {
  EXPECT_EQ(run_one<op::Add>({f32({0, 3}, {}), f32({3}, {1, 2, 3})}), f32({0, 3}, {}));
  EXPECT_EQ(run_one<op::Add>({f32({}, {1}), f32({}, {2})}), f32({}, {3}));
  EXPECT_EQ(run_one<op::Where>({boolean({}, {1}), f32({0}, {}), f32({1}, {2})}), f32({0}, {}));
  EXPECT_EQ(run_one<op::Cast>({f32({2, 0}, {})}, {{"to", DType::I64}}), i64({2, 0}, {}));
}

TEST(Elementwise, RankBeyondTheLimitIsRefused) {
  expect_error<op::Relu>(Error::LimitExceeded, "rank 9", {f32({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})});
}

TEST(Elementwise, BoolBytesOtherThanOneCountAsTrue) {
  HostTensor odd = boolean({3}, {0, 0, 0});
  odd.data = {std::byte{2}, std::byte{0}, std::byte{255}};
  EXPECT_EQ(run_one<op::Not>({odd}), boolean({3}, {0, 1, 0}));
  EXPECT_EQ(run_one<op::Cast>({odd}, {{"to", DType::F32}}), f32({3}, {1, 0, 1}));
  EXPECT_EQ(run_one<op::Where>({odd, f32({}, {5}), f32({}, {7})}), f32({3}, {5, 7, 5}));
}

TEST(Elementwise, CastOfUnrepresentableFloatsIsDefined) {
  const float inf = std::numeric_limits<float>::infinity();
  const HostTensor x = f32({4}, {std::nanf(""), inf, -inf, 1e20F});
  const int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(run_one<op::Cast>({x}, {{"to", DType::I64}}), i64({4}, {0, high, low, high}));
}

TEST(Elementwise, BitCastKeepsBytes) {
  EXPECT_EQ(run_one<op::BitCast>({f32({2}, {1.0F, -2.0F})}, {{"to", DType::I32}}),
            tensor<int64_t>(DType::I32, {2}, {0x3f800000, -0x40000000}));
}

TEST(Elementwise, ANamedKernelThatDoesNotExistIsAnError) {
  EvaluateOptions options;
  options.kernel = "no_such_kernel";
  EXPECT_THROW(evaluate(op_def<op::Relu>, {}, {kVector}, default_tables(), options), Exception);
}

}  // namespace
}  // namespace gf::test
