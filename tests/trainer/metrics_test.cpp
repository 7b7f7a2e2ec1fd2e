// Metrics against scikit-learn (data/metrics.json, made by make_metric_goldens.py).
#include <cmath>

#include "tests/support/expect_refused.h"
#include "tests/trainer/golden_json.h"
#include "trainer/nn/metrics.h"

namespace gf::test {
namespace {

using nlohmann::json;
using namespace nn::metrics;

TEST(Metrics, LikeScikitLearn) {
  const json g = golden_file("metrics.json");
  const Tensor target = tensor_of(g["target"]), said = tensor_of(g["said"]), scores = tensor_of(g["scores"]);
  const auto expect = [&](double have, const char* name) { EXPECT_NEAR(have, g[name].get<double>(), 1e-12) << name; };
  expect(accuracy(said, target), "accuracy");
  expect(accuracy(scores, target), "argmax_accuracy");
  expect(top_k_accuracy(scores, target, 2), "top2");
  expect(top_k_accuracy(scores, target, 3), "top3");
  EXPECT_EQ(confusion_matrix(said, target, 5), g["confusion"].get<std::vector<int64_t>>());
  const ClassScores s = class_scores(said, target, 5);
  EXPECT_EQ(s.support, g["support"].get<std::vector<int64_t>>());
  for (size_t k = 0; k < 5; ++k) {
    EXPECT_NEAR(s.precision[k], g["precision_of_classes"][k].get<double>(), 1e-12) << k;
    EXPECT_NEAR(s.recall[k], g["recall_of_classes"][k].get<double>(), 1e-12) << k;
    EXPECT_NEAR(s.f1[k], g["f1_of_classes"][k].get<double>(), 1e-12) << k;
  }
  for (const auto& [name, average] : {std::pair("macro", Average::Macro), std::pair("weighted", Average::Weighted), std::pair("micro", Average::Micro)}) {
    EXPECT_NEAR(precision(said, target, 5, average), g["precision"][name].get<double>(), 1e-12) << name;
    EXPECT_NEAR(recall(said, target, 5, average), g["recall"][name].get<double>(), 1e-12) << name;
    EXPECT_NEAR(f1_score(said, target, 5, average), g["f1"][name].get<double>(), 1e-12) << name;
  }
  expect(mean_iou(said, target, 5), "iou");
  expect(roc_auc(tensor_of(g["rated"]), tensor_of(g["binary"])), "auc");
  const Tensor real = tensor_of(g["real"]), guess = tensor_of(g["guess"]);
  expect(r2_score(guess, real), "r2");
  expect(mean_squared_error(guess, real), "mse");
  expect(mean_absolute_error(guess, real), "mae");
  EXPECT_NEAR(perplexity(Tensor::scalar(1.5)), std::exp(1.5), 1e-6);
  EXPECT_EQ(r2_score(Tensor::ones({3}), Tensor::ones({3})), 1);
  EXPECT_EQ(r2_score(Tensor::zeros({3}), Tensor::ones({3})), 0);
}

TEST(Metrics, Errors) {
  const Tensor two = Tensor::zeros({2}, DType::I64), three = Tensor::zeros({3}, DType::I64);
  expect_refused(Error::ShapeMismatch, "accuracy: predictions of shape [2] for targets of [3]", [&] { (void)accuracy(two, three); });
  expect_refused(Error::ShapeMismatch, "accuracy: ", [] { (void)accuracy(Tensor::zeros({0}), Tensor::zeros({0})); });
  expect_refused(Error::ShapeMismatch, "top_k_accuracy: ", [&] { (void)top_k_accuracy(Tensor::zeros({2, 4}), three); });
  expect_refused(Error::IndexOutOfRange, "confusion_matrix: class 7 of 5", [&] { (void)confusion_matrix(two, Tensor::full({2}, 7, DType::I64), 5); });
  expect_refused(Error::InvalidArgument, "roc_auc: all targets are of one class", [&] { (void)roc_auc(Tensor::zeros({2}), two); });
}

}  // namespace
}  // namespace gf::test
