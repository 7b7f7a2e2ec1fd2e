// Reductions, index reductions, running folds, top_k, normalisations and losses: wrong input and data-driven hazards.
// Values: golden_test.cpp.
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

const HostTensor kMatrix = f32({2, 3}, {1, 2, 3, 4, 5, 6});
using Ints = std::vector<int64_t>;

TEST(Reduce, RefusesBadAxes) {
  expect_error<op::ReduceSum>(Error::BadAttribute, "axes 2 is outside [-2, 2)", {kMatrix}, {{"axes", Ints{2}}});
  expect_error<op::ReduceSum>(Error::BadAttribute, "outside", {kMatrix}, {{"axes", Ints{std::numeric_limits<int64_t>::min()}}});
  expect_error<op::ReduceMax>(Error::BadAttribute, "names axis 1 twice", {kMatrix}, {{"axes", Ints{1, -1}}});
  expect_error<op::ReduceMax>(Error::BadAttribute, "3 entries for rank 2", {kMatrix}, {{"axes", Ints{0, 1, 0}}});
  expect_error<op::ReduceMean>(Error::BadAttribute, "outside", {kMatrix, i64({1}, {5})});
  expect_error<op::ReduceSum>(Error::TypeMismatch, "bool", {boolean({1}, {1})});
  expect_error<op::ArgMax>(Error::BadAttribute, "axis 2", {kMatrix}, {{"axis", 2}});
  expect_error<op::ArgMax>(Error::ShapeMismatch, "no elements", {f32({2, 0}, {})}, {{"axis", 1}});
  expect_error<op::CumSum>(Error::BadAttribute, "axis -3", {kMatrix}, {{"axis", -3}});
  expect_error<op::CumSum>(Error::BadAttribute, "axis 7", {kMatrix, i64({}, {7})});
  expect_error<op::Softmax>(Error::BadAttribute, "axis 2", {kMatrix}, {{"axis", 2}});
  expect_error<op::MeanVarianceNormalization>(Error::BadAttribute, "outside", {kMatrix}, {{"axes", Ints{4}}});
  expect_error<op::LpNormalization>(Error::BadAttribute, "'p' is 3", {kMatrix}, {{"p", 3}});
}

TEST(Reduce, AxesFromAnInputWithoutEntriesReduceEverythingOrNothing) {
  EXPECT_EQ(run_one<op::ReduceSum>({kMatrix, i64({0}, {})}), f32({1, 1}, {21}));
  EXPECT_EQ(run_one<op::ReduceSum>({kMatrix, i64({0}, {})}, {{"none", true}}), kMatrix);
}

// Ones after 2^24: a plain f32 sum would stop growing.
TEST(Reduce, LongSumsKeepSmallTerms) {
  std::vector<float> v(100001, 1.0F);
  v[0] = 16777216.0F;
  EvaluateOptions options;
  options.kernel = "reduce_sum_portable";
  EXPECT_EQ(evaluate(op_def<op::ReduceSum>, {}, {f32({100001}, v)}, default_tables(), options)[0], f32({1}, {16877216.0F}));
}

TEST(TopK, RefusesKOutsideTheAxis) {
  expect_error<op::TopK>(Error::BadAttribute, "k is 4", {kMatrix, i64({1}, {4})});
  expect_error<op::TopK>(Error::BadAttribute, "k is -1", {kMatrix, i64({1}, {-1})});
  expect_error<op::TopK>(Error::ShapeMismatch, "k has 2 elements", {kMatrix, i64({2}, {1, 1})});
  expect_error<op::TopK>(Error::BadAttribute, "axis", {kMatrix, i64({1}, {1})}, {{"axis", 5}});
}

TEST(TopK, TiesGoToTheLowerIndexAndNanIsLargest) {
  const float nan = std::nanf("");
  EvaluateOptions options;
  options.outputs = 2;
  const HostTensor x = f32({6}, {2, nan, 2, 1, 2, 3});
  auto y = evaluate(op_def<op::TopK>, {}, {x, i64({1}, {4})}, default_tables(), options);
  EXPECT_EQ(y[1], i64({4}, {1, 5, 0, 2}));
  y = evaluate(op_def<op::TopK>, {{"largest", false}}, {x, i64({1}, {6})}, default_tables(), options);
  EXPECT_EQ(y[1], i64({6}, {3, 0, 2, 4, 5, 1}));
}

TEST(Norm, RefusesParametersThatDoNotFit) {
  const HostTensor two = f32({2}, {1, 1}), three = f32({3}, {1, 1, 1});
  expect_error<op::LayerNorm>(Error::ShapeMismatch, "scale", {kMatrix, two});
  expect_error<op::LayerNorm>(Error::ShapeMismatch, "bias", {kMatrix, three, two});
  expect_error<op::LayerNorm>(Error::ShapeMismatch, "scale", {kMatrix, three}, {{"axis", 0}});
  expect_error<op::LayerNorm>(Error::BadAttribute, "epsilon", {kMatrix, three}, {{"epsilon", -1.0}});
  expect_error<op::LayerNorm>(Error::BadAttribute, "axis", {kMatrix, three}, {{"axis", 2}});
  expect_error<op::RmsNorm>(Error::ShapeMismatch, "scale", {kMatrix, two});
  expect_error<op::GroupNorm>(Error::BadAttribute, "num_groups 2", {kMatrix, three, three}, {{"num_groups", 2}});
  expect_error<op::GroupNorm>(Error::BadAttribute, "num_groups 0", {kMatrix, three, three}, {{"num_groups", 0}});
  expect_error<op::GroupNorm>(Error::ShapeMismatch, "one entry per channel", {kMatrix, two, two});
  expect_error<op::InstanceNorm>(Error::ShapeMismatch, "one entry per channel", {kMatrix, two, two});
  expect_error<op::BatchNorm>(Error::ShapeMismatch, "var", {kMatrix, three, three, three, two});
  expect_error<op::BatchNorm>(Error::ShapeMismatch, "rank 2", {kMatrix, kMatrix, three, three, three});
  expect_error<op::BatchNorm>(Error::InvalidArgument, "together", {kMatrix, three, three, three});
  expect_error<op::BatchNorm>(Error::BadAttribute, "activation", {kMatrix, three, three}, {{"activation", 3}});
  expect_error<op::BatchNorm>(Error::BadAttribute, "empty", {kMatrix, three, three}, {{"activation", 2}, {"activation_a", 1.0}});
  expect_error<op::BatchNormGrad>(Error::ShapeMismatch, "shape of x", {kMatrix, three, three, three, f32({1, 3}, {1, 1, 1})});
  expect_error<op::BatchNormGrad>(Error::ShapeMismatch, "var", {kMatrix, three, three, two, kMatrix});
  expect_error<op::BatchNormGrad>(Error::InvalidArgument, "bias", {kMatrix, three, three, three, kMatrix, three});
  expect_error<op::Lrn>(Error::BadAttribute, "size", {kMatrix}, {{"size", 0}});
}

TEST(Norm, HugeLrnWindowsAreTheWholeRow) {
  const HostTensor x = f32({1, 3}, {1, 2, 3});
  const Attributes huge{{"size", std::numeric_limits<int64_t>::max()}, {"alpha", 0.0}, {"bias", 4.0}, {"beta", 0.5}};
  EXPECT_EQ(run_one<op::Lrn>({x}, huge), f32({1, 3}, {0.5F, 1, 1.5F}));
}

TEST(Loss, TargetsOutsideTheClassesAreTypedErrors) {
  const HostTensor x = f32({2, 3}, {0, 0, 0, 0, 0, 0});
  expect_error<op::NllLoss>(Error::IndexOutOfRange, "target 3 at position 1", {x, i64({2}, {0, 3})});
  expect_error<op::SoftmaxCrossEntropyLoss>(Error::IndexOutOfRange, "target -1", {x, i64({2}, {-1, 0})});
  expect_error<op::NllLoss>(Error::ShapeMismatch, "targets", {x, i64({3}, {0, 0, 0})});
  expect_error<op::NllLoss>(Error::ShapeMismatch, "weights", {x, i64({2}, {0, 0}), f32({2}, {1, 1})});
  expect_error<op::NllLoss>(Error::BadAttribute, "'reduction' is 3", {x, i64({2}, {0, 0})}, {{"reduction", 3}});
  EXPECT_EQ(run_one<op::NllLoss>({x, i64({2}, {-100, 0})}, {{"ignore_index", -100}}), f32({}, {0.0F}));
}

TEST(Loss, GradientOfCrossEntropyChecksItsInputs) {
  const HostTensor x = f32({2, 3}, {0, 0, 0, 0, 0, 0}), one = f32({}, {1});
  expect_error<op::CrossEntropyGrad>(Error::IndexOutOfRange, "target 3 at position 1; there are 3 classes", {x, i64({2}, {0, 3}), one});
  expect_error<op::CrossEntropyGrad>(Error::IndexOutOfRange, "target -100", {x, i64({2}, {-100, 0}), one});
  expect_error<op::CrossEntropyGrad>(Error::ShapeMismatch, "rank", {x, i64({2}, {0, 1}), f32({2}, {1, 1})});
  expect_error<op::CrossEntropyGrad>(Error::ShapeMismatch, "the shape of the loss", {x, i64({2}, {0, 1}), f32({3}, {1, 1, 1})}, {{"reduction", 0}});
  expect_error<op::CrossEntropyGrad>(Error::ShapeMismatch, "weights", {x, i64({2}, {0, 1}), one, f32({2}, {1, 1})});
}

TEST(Loss, MeanOverNoTargetsIsNan) {
  const HostTensor x = f32({1, 3}, {0, 0, 0});
  EXPECT_TRUE(std::isnan(run_one<op::NllLoss>({x, i64({1}, {7})}, {{"ignore_index", 7}}).view<float>()[0]));
}

}  // namespace
}  // namespace gf::test
