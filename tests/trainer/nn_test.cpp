// Layers and losses against PyTorch in float64 (data/nn.json, made by make_nn_goldens.py), in float32.
#include <cmath>
#include <set>

#include "tests/trainer/golden_json.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/nn/attention.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using nlohmann::json;
using Tensors = std::map<std::string, Tensor>;

const json& goldens() {
  static const json all = golden_file("nn.json");
  return all;
}

std::set<std::string>& compared() {
  static std::set<std::string> names;
  return names;
}

void expect_like_torch(const std::string& name, const std::function<Tensor(Tensors&)>& f) {
  SCOPED_TRACE(name);
  const auto& cases = goldens()["functions"];
  const auto it = std::find_if(cases.begin(), cases.end(), [&](const json& c) { return c["name"] == name; });
  ASSERT_NE(it, cases.end());
  compared().insert(name);
  Tensors in;
  for (const auto& [key, t] : (*it)["inputs"].items()) in[key] = tensor_of(t).set_requires_grad();
  for (const auto& [key, t] : (*it)["fixed"].items()) in[key] = tensor_of(t);
  const Tensor y = f(in);
  sum(y * tensor_of((*it)["dy"])).backward();
  expect_near(y, (*it)["y"], "y");
  for (const auto& [key, t] : (*it)["gradients"].items()) expect_near(in[key].grad(), t, "gradient of " + key);
}

TEST(Nn, LayersLikeTorch) {
  using namespace nn;
  expect_like_torch("linear", [](Tensors& t) { return linear(t["x"], t["w"], t["b"]); });
  expect_like_torch("conv2d", [](Tensors& t) { return conv2d(t["x"], t["w"], t["b"], {2, 1}, 1, 1, 2); });
  expect_like_torch("max_pool2d", [](Tensors& t) { return max_pool2d(t["x"], 3, 2, 1); });
  expect_like_torch("avg_pool2d", [](Tensors& t) { return avg_pool2d(t["x"], 2); });
  expect_like_torch("layer_norm", [](Tensors& t) { return layer_norm(t["x"], t["w"], t["b"]); });
  expect_like_torch("rms_norm", [](Tensors& t) { return rms_norm(t["x"], t["w"]); });
  expect_like_torch("attention", [](Tensors& t) { return scaled_dot_product_attention(t["q"], t["k"], t["v"]); });
  expect_like_torch("attention_causal", [](Tensors& t) { return scaled_dot_product_attention(t["q"], t["k"], t["v"], {}, true); });
  expect_like_torch("attention_grouped", [](Tensors& t) { return scaled_dot_product_attention(t["q"], t["k"], t["v"]); });
}

TEST(Nn, LossesLikeTorch) {
  using namespace nn;
  using R = nn::Reduction;
  for (const auto& [text, reduction] : {std::pair("none", R::None), std::pair("mean", R::Mean), std::pair("sum", R::Sum)}) {
    expect_like_torch(std::string("cross_entropy_") + text, [r = reduction](Tensors& t) { return cross_entropy(t["x"], t["t"], t["w"], -100, r); });
    expect_like_torch(std::string("mse_") + text, [r = reduction](Tensors& t) { return mse_loss(t["x"], t["t"], r); });
  }
  expect_like_torch("cross_entropy_smoothed", [](Tensors& t) { return cross_entropy(t["x"], t["t"], {}, -100, R::Mean, 0.1); });
  expect_like_torch("cross_entropy_spatial", [](Tensors& t) { return cross_entropy(t["x"], t["t"]); });
  expect_like_torch("nll", [](Tensors& t) { return nll_loss(log_softmax(t["x"], 1), t["t"]); });
  expect_like_torch("l1", [](Tensors& t) { return l1_loss(t["x"], t["t"]); });
  expect_like_torch("huber", [](Tensors& t) { return huber_loss(t["x"], t["t"], R::Mean, 0.7); });
  expect_like_torch("smooth_l1", [](Tensors& t) { return smooth_l1_loss(t["x"], t["t"], R::Mean, 0.5); });
  expect_like_torch("bce_logits", [](Tensors& t) { return binary_cross_entropy_with_logits(t["x"], t["t"]); });
  expect_like_torch("bce_logits_weighted", [](Tensors& t) { return binary_cross_entropy_with_logits(t["x"], t["t"], t["w"]); });
  expect_like_torch("bce", [](Tensors& t) { return binary_cross_entropy(t["x"], t["t"]); });
  expect_like_torch("kl_div", [](Tensors& t) { return kl_div(t["x"], t["t"]); });
}

using M = std::shared_ptr<nn::Module>;
M lambda(std::function<Tensor(const Tensor&)> f) { return std::make_shared<nn::Lambda>(std::move(f)); }
M relu_layer() { return lambda([](const Tensor& x) { return relu(x); }); }
M pool_layer() { return lambda([](const Tensor& x) { return nn::max_pool2d(x, 2); }); }
M flatten_layer() { return lambda([](const Tensor& x) { return flatten(x, 1); }); }

std::shared_ptr<nn::Module> lenet() {
  using namespace nn;
  return std::shared_ptr<Module>(new Sequential{std::make_shared<Conv2d>(1, 6, 5, Conv2dOptions{.padding = 2}), relu_layer(), pool_layer(), std::make_shared<Conv2d>(6, 5, 5),
                                                relu_layer(), pool_layer(), flatten_layer(), std::make_shared<Linear>(125, 16), relu_layer(), std::make_shared<Linear>(16, 10)});
}

struct Block final : nn::Module {
  Block(int64_t dim, int64_t heads) {
    ln1 = register_module("ln1", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    ln2 = register_module("ln2", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    attn = register_module("attn", std::make_shared<nn::SelfAttention>(dim, heads, true));
    mlp = register_module("mlp", std::shared_ptr<nn::Module>(new nn::Sequential{std::make_shared<nn::Linear>(dim, 4 * dim), lambda([](const Tensor& x) { return gelu(x); }),
                                                                              std::make_shared<nn::Linear>(4 * dim, dim)}));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = x + (*attn)((*ln1)(x));
    return y + (*mlp)((*ln2)(y));
  }
  M ln1, ln2, attn, mlp;
};

struct CharGpt final : nn::Module {
  CharGpt(int64_t words, int64_t length, int64_t dim, int64_t heads, int depth) {
    tok = register_module("tok", std::make_shared<nn::Embedding>(words, dim));
    pos = register_module("pos", std::make_shared<nn::Embedding>(length, dim));
    const auto all = std::make_shared<nn::Sequential>();
    for (int i = 0; i < depth; ++i) all->append(std::make_shared<Block>(dim, heads));
    blocks = register_module("blocks", M(all));
    ln = register_module("ln", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    head = register_module("head", std::make_shared<nn::Linear>(dim, words, false));
  }
  Tensor forward(const Tensor& t) override { return (*head)((*ln)((*blocks)((*tok)(t) + narrow(pos->weight, 0, 0, t.size(1))))); }
  std::shared_ptr<nn::Embedding> tok, pos;
  M blocks, ln, head;
};

void expect_losses(const std::string& name, nn::Module& net, const std::shared_ptr<const optim::Optimizer>& rule,
                   const std::function<Tensor(nn::Module&, const Tensor&, const Tensor&)>& loss_of) {
  SCOPED_TRACE(name);
  const auto& nets = goldens()["nets"];
  const auto it = std::find_if(nets.begin(), nets.end(), [&](const json& c) { return c["name"] == name; });
  ASSERT_NE(it, nets.end());
  NamedTensors weights;
  for (const auto& [key, t] : (*it)["weights"].items()) weights.emplace_back(key, tensor_of(t));
  net.load_state_dict(weights);
  Trainable optimizer(net.parameters(), rule);
  const Tensor x = tensor_of((*it)["batch"][0]), t = tensor_of((*it)["batch"][1]);
  const int64_t before = lazy::compiled_programs();
  size_t step = 0;
  for (const json& want : (*it)["losses"]) {
    const Tensor loss = loss_of(net, x, t);
    loss.backward();
    optimizer.step();
    EXPECT_NEAR(loss.item(), want.get<double>(), 1e-5 * want.get<double>()) << "step " << step++;
  }
  EXPECT_EQ(lazy::compiled_programs(), before + 1);
}

TEST(Nn, LeNetLikeTorch) {
  const auto net = lenet();
  expect_losses("lenet", *net, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.05, .momentum = 0.9}),
                [](nn::Module& n, const Tensor& x, const Tensor& t) { return nn::cross_entropy(n(x), t); });
}

TEST(Nn, CharGptLikeTorch) {
  CharGpt net(17, 8, 16, 2, 2);
  expect_losses("char_gpt", net, std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 3e-3}),
                [](nn::Module& n, const Tensor& x, const Tensor& t) { return nn::cross_entropy(transpose(n(x), 1, 2), t); });
}

TEST(Nn, EveryGoldenWasCompared) {
  for (const json& c : goldens()["functions"]) EXPECT_TRUE(compared().contains(c["name"])) << c["name"];
}

TEST(Nn, ModulesAndStateDict) {
  nn::manual_seed(3);
  const auto a = lenet();
  nn::manual_seed(3);
  const auto b = lenet();
  const NamedTensors of_a = a->state_dict(), of_b = b->state_dict();
  ASSERT_EQ(of_a.size(), 8U);
  EXPECT_EQ(of_a[0].first, "0.weight");
  EXPECT_EQ(of_a[7].first, "9.bias");
  for (size_t i = 0; i < of_a.size(); ++i) EXPECT_EQ(of_a[i].second.array(), of_b[i].second.array());  // one seed, one net
  const auto c = lenet();
  EXPECT_NE(c->state_dict()[0].second.array(), of_a[0].second.array());
  c->load_state_dict(of_a);
  for (size_t i = 0; i < of_a.size(); ++i) EXPECT_EQ(c->state_dict()[i].second.array(), of_a[i].second.array());
  EXPECT_EQ(nn::Linear(784, 512).parameter_count(), goldens()["counts"]["linear"].get<int64_t>());
  EXPECT_FALSE(a->eval().is_training());
  NamedTensors wrong = of_a;
  wrong.pop_back();
  EXPECT_THROW(c->load_state_dict(wrong), Exception);
  wrong.emplace_back("9.bias", Tensor::zeros({11}));
  EXPECT_THROW(c->load_state_dict(wrong), Exception);
}

// First values: the moments that the formulas name, over many draws.
TEST(Nn, Init) {
  nn::manual_seed(5);
  const auto moments = [](const Tensor& t) {
    double m = 0, s = 0;
    const auto v = t.array().as<double>();
    for (const double x : v) m += x / static_cast<double>(v.size());
    for (const double x : v) s += (x - m) * (x - m) / static_cast<double>(v.size());
    return std::pair(m, std::sqrt(s));
  };
  const Shape64 shape = {200, 100, 3, 1};  // fan in 300, fan out 600
  const auto [um, us] = moments(nn::init::kaiming_uniform(shape));
  EXPECT_NEAR(um, 0, 2e-3);
  EXPECT_NEAR(us, std::sqrt(2.0 / 300), 1e-3);
  EXPECT_NEAR(moments(nn::init::kaiming_normal(shape, 0, nn::init::FanMode::Out)).second, std::sqrt(2.0 / 600), 1e-3);
  const auto [xm, xs] = moments(nn::init::xavier_normal(shape));
  EXPECT_NEAR(xm, 0, 2e-3);
  EXPECT_NEAR(xs, std::sqrt(2.0 / 900), 1e-3);
  for (const double v : nn::init::trunc_normal({1000}, 0, 1, -0.5, 0.25).array().as<double>()) EXPECT_TRUE(v >= -0.5 && v <= 0.25);
  const auto q = nn::init::orthogonal({3, 8}, 2).array().as<double>();
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3; ++j) {
      double dot = 0;
      for (size_t k = 0; k < 8; ++k) dot += q[i * 8 + k] * q[j * 8 + k];
      EXPECT_NEAR(dot, i == j ? 4 : 0, 1e-5);
    }
  EXPECT_THROW(nn::init::xavier_uniform({5}), Exception);
  EXPECT_THROW(nn::init::dirac({4, 3}), Exception);
  EXPECT_EQ(nn::init::constant({2}, 3).to_vector<float>(), (std::vector<float>{3, 3}));
  EXPECT_EQ(nn::init::zeros({2}).to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(nn::init::ones({2}).to_vector<float>(), (std::vector<float>{1, 1}));
}

}  // namespace
}  // namespace gf::test
