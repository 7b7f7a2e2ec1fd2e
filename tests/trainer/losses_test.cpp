// Losses against PyTorch and papers in float64 (data/losses.json, made by make_loss_goldens.py), in float32.
#include "tests/support/expect_refused.h"
#include "tests/trainer/golden_cases.h"
#include "trainer/nn/losses.h"
#include "trainer/tensor/functions_maths.h"

namespace gf::test {
namespace {

using namespace nn;
using R = nn::Reduction;
using Calls = std::map<std::string, Call>;

/// The call under its name with each reduction.
template <class F>
void with_reductions(Calls& calls, const std::string& name, F f) {
  for (const auto& [text, r] : {std::pair("none", R::None), std::pair("mean", R::Mean), std::pair("sum", R::Sum)})
    calls[name + "_" + text] = [f, r = r](Tensors& t) { return f(t, r); };
}

Calls calls_of_classes() {
  Calls calls;
  with_reductions(calls, "cross_entropy_smoothed", [](Tensors& t, R r) { return cross_entropy(t["x"], t["t"], t["w"], -100, r, 0.1); });
  with_reductions(calls, "cross_entropy_soft", [](Tensors& t, R r) { return cross_entropy(t["x"], t["t"], t["w"], -100, r, 0.2); });
  calls["cross_entropy_soft_plain"] = [](Tensors& t) { return cross_entropy(t["x"], t["t"]); };
  calls["cross_entropy_soft_spatial"] = [](Tensors& t) { return cross_entropy(t["x"], t["t"]); };
  with_reductions(calls, "poisson", [](Tensors& t, R r) { return poisson_nll_loss(t["x"], t["t"], true, true, 1e-8, r); });
  calls["poisson_plain"] = [](Tensors& t) { return poisson_nll_loss(t["x"], t["t"], false); };
  calls["gaussian"] = [](Tensors& t) { return gaussian_nll_loss(t["x"], t["t"], t["v"]); };
  calls["gaussian_full_sum"] = [](Tensors& t) { return gaussian_nll_loss(t["x"], t["t"], t["v"], true, 1e-6, R::Sum); };
  with_reductions(calls, "hinge_embedding", [](Tensors& t, R r) { return hinge_embedding_loss(t["x"], t["t"], 0.5, r); });
  calls["hinge"] = [](Tensors& t) { return hinge_loss(t["x"], t["t"]); };
  calls["soft_margin"] = [](Tensors& t) { return soft_margin_loss(t["x"], t["t"]); };
  with_reductions(calls, "multi_margin", [](Tensors& t, R r) { return multi_margin_loss(t["x"], t["t"], 2, 0.75, t["w"], r); });
  calls["multi_margin_plain"] = [](Tensors& t) { return multi_margin_loss(t["x"], t["t"]); };
  with_reductions(calls, "multilabel_margin", [](Tensors& t, R r) { return multilabel_margin_loss(t["x"], t["t"], r); });
  calls["multilabel_soft_margin"] = [](Tensors& t) { return multilabel_soft_margin_loss(t["x"], t["t"], t["w"]); };
  calls["multilabel_soft_margin_sum"] = [](Tensors& t) { return multilabel_soft_margin_loss(t["x"], t["t"], {}, R::Sum); };
  return calls;
}

Calls calls_of_distances() {
  Calls calls;
  calls["margin_ranking"] = [](Tensors& t) { return margin_ranking_loss(t["a"], t["b"], t["t"], 0.25); };
  calls["cosine_similarity"] = [](Tensors& t) { return cosine_similarity(t["a"], t["b"]); };
  calls["pairwise_distance"] = [](Tensors& t) { return pairwise_distance(t["a"], t["b"], 3, 1e-6, true); };
  with_reductions(calls, "cosine_embedding", [](Tensors& t, R r) { return cosine_embedding_loss(t["a"], t["b"], t["t"], 0.1, r); });
  with_reductions(calls, "triplet", [](Tensors& t, R r) { return triplet_margin_loss(t["a"], t["p"], t["n"], 1, 2, 1e-6, false, r); });
  calls["triplet_swap"] = [](Tensors& t) { return triplet_margin_loss(t["a"], t["p"], t["n"], 0.5, 3, 1e-6, true); };
  calls["contrastive"] = [](Tensors& t) { return contrastive_loss(t["a"], t["b"], t["t"], 1.5); };
  calls["info_nce"] = [](Tensors& t) { return info_nce_loss(t["q"], t["k"], 0.2); };
  calls["center"] = [](Tensors& t) { return center_loss(t["x"], t["t"], t["m"]); };
  return calls;
}

Calls calls_of_places() {
  Calls calls;
  calls["focal"] = [](Tensors& t) { return focal_loss(t["x"], t["t"]); };
  calls["focal_no_alpha"] = [](Tensors& t) { return focal_loss(t["x"], t["t"], -1, 1.5, R::Sum); };
  calls["dice"] = [](Tensors& t) { return dice_loss(t["p"], t["t"]); };
  calls["tversky"] = [](Tensors& t) { return tversky_loss(t["p"], t["t"], 0.3, 0.7, 0.5); };
  calls["lovasz_hinge"] = [](Tensors& t) { return lovasz_hinge_loss(t["x"], t["t"]); };
  calls["lovasz_softmax"] = [](Tensors& t) { return lovasz_softmax_loss(softmax(t["x"], 1), t["t"]); };
  with_reductions(calls, "ctc", [](Tensors& t, R r) { return ctc_loss(log_softmax(t["x"], 2), t["t"], t["i"], t["n"], 0, r); });
  calls["ctc_blank_last"] = [](Tensors& t) { return ctc_loss(log_softmax(t["x"], 2), t["t"], t["i"], t["n"], 3); };
  return calls;
}

TEST(Losses, LikeTorch) {
  Calls calls = calls_of_classes();
  calls.merge(calls_of_distances());
  calls.merge(calls_of_places());
  expect_table("losses.json", calls, [](const nlohmann::json& c, const Call& call) { expect_case(c, call); });
}

// Two equal letters need a blank between: no path of 2 steps spells "1 1".
TEST(Losses, CtcWithoutPath) {
  const Tensor log_p = log_softmax(Tensor::zeros({2, 1, 3}), 2), one = Tensor::from<int64_t>({2});
  const double loss = ctc_loss(log_p, Tensor::from<int64_t>({1, 1}, {1, 2}), one, one).item();
  EXPECT_TRUE(std::isinf(loss) && loss > 0);
}

TEST(Losses, Errors) {
  const Tensor x = Tensor::zeros({2, 3}), t = Tensor::zeros({2, 4});
  expect_refused(Error::ShapeMismatch, "hinge_loss: ", [&] { (void)hinge_loss(x, t); });
  expect_refused(Error::ShapeMismatch, "cross_entropy: probabilities of shape [2, 4] for scores of [2, 3]", [&] { (void)cross_entropy(x, t); });
  expect_refused(Error::ShapeMismatch, "multi_margin_loss: an operand has shape [2, 4]; [N] is needed", [&] { (void)multi_margin_loss(x, t); });
  expect_refused(Error::ShapeMismatch, "ctc_loss: ", [&] { (void)ctc_loss(x, t, t, t); });
  expect_refused(Error::TypeMismatch, "center_loss: ", [&] { (void)center_loss(x, x, x); });
}

}  // namespace
}  // namespace gf::test
