// Layers with state of their own against PyTorch in float64 (data/layers.json, made by make_layer_goldens.py), in float32.
#include <cmath>

#include "tests/trainer/golden_json.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/nn/recurrent.h"
#include "trainer/tensor/recording.h"

namespace gf::test {
namespace {

using nlohmann::json;

const json& goldens() {
  static const json all = golden_file("layers.json");
  return all;
}

TEST(Layers, BatchNormLikeTorch) {
  const json& g = goldens()["batch_norm"];
  nn::BatchNorm2d norm(3, {.eps = 1e-3, .momentum = 0.2});
  norm.load_state_dict({{"weight", tensor_of(g["start"]["weight"])}, {"bias", tensor_of(g["start"]["bias"])}}, false);
  int64_t after_first = 0;
  for (size_t k = 0; k < g["calls"].size(); ++k) {
    SCOPED_TRACE(k);
    const json& call = g["calls"][k];
    Tensor x = tensor_of(call["x"]);
    x.set_requires_grad();
    for (Tensor p : norm.parameters()) p.zero_grad();
    const Tensor y = norm(x);
    sum(y * tensor_of(call["dy"])).backward();
    expect_near(y, call["y"], "y");
    expect_near(x.grad(), call["dx"], "gradient of x");
    expect_near(norm.weight.grad(), call["dw"], "gradient of weight");
    expect_near(norm.bias.grad(), call["db"], "gradient of bias");
    expect_near(norm.running_mean, call["mean"], "running mean");
    expect_near(norm.running_var, call["var"], "running variance");
    if (k == 0) after_first = lazy::compiled_programs();
  }
  EXPECT_EQ(lazy::compiled_programs(), after_first);  // the next steps use the programs of the first
  norm.eval();
  expect_near(norm(tensor_of(g["x"])), g["y"], "evaluation");
  expect_near(norm.running_mean, g["calls"].back()["mean"], "running mean after evaluation");
  EXPECT_EQ(norm.state_dict().size(), 4U);
  EXPECT_EQ(norm.named_parameters().size(), 2U);
  EXPECT_THROW((void)norm(Tensor::zeros({1, 4, 2, 2})), Exception);
}

TEST(Layers, RecurrentLikeTorch) {
  for (const json& c : goldens()["recurrent"]) {
    const auto kind = c["kind"].get<std::string>();
    const nn::RecurrentOptions options{.layers = c["layers"].get<int64_t>(), .bias = c["bias"].get<bool>(), .bidirectional = c["both"].get<bool>()};
    SCOPED_TRACE(kind + " " + std::to_string(options.layers) + (options.bidirectional ? " both ways" : "") + (options.bias ? "" : " without bias"));
    const auto net = kind == "lstm" ? std::shared_ptr<nn::Module>(std::make_shared<nn::LSTM>(3, 4, options)) : std::make_shared<nn::GRU>(3, 4, options);
    NamedTensors weights;
    for (const auto& [name, t] : c["weights"].items()) weights.emplace_back(name, tensor_of(t));
    net->load_state_dict(weights);
    Tensor x = tensor_of(c["x"]);
    x.set_requires_grad();
    const Tensor y = (*net)(x);
    sum(y * tensor_of(c["dy"])).backward();
    expect_near(y, c["y"], "y");
    expect_near(x.grad(), c["dx"], "gradient of x");
    for (const auto& [name, p] : net->named_parameters()) expect_near(p.grad(), c["gradients"][name], "gradient of " + name);
  }
}

// The mask keeps 1 - p of the elements, scales them, and is another in each call and the same again after the same seed.
TEST(Layers, Dropout) {
  nn::manual_seed(11);
  nn::Dropout drop(0.25);
  Tensor x = Tensor::ones({4000});
  x.set_requires_grad();
  const Tensor y = drop(x);
  sum(y).backward();
  const auto first = y.to_vector<float>();
  EXPECT_EQ(x.grad().to_vector<float>(), first);  // gradient of ones: the same mask and factor
  const auto kept = std::count_if(first.begin(), first.end(), [](float v) { return v != 0; });
  EXPECT_NEAR(static_cast<double>(kept), 3000, 4 * std::sqrt(4000 * 0.25 * 0.75));
  for (const float v : first) EXPECT_TRUE(v == 0 || v == 1.0f / 0.75f);
  EXPECT_NE(drop(x).to_vector<float>(), first);
  nn::manual_seed(11);
  nn::Dropout again(0.25);
  EXPECT_EQ(again(x).to_vector<float>(), first);
  drop.eval();
  EXPECT_EQ(drop(x).to_vector<float>(), std::vector<float>(4000, 1));
  EXPECT_THROW(nn::Dropout(1), Exception);
}

}  // namespace
}  // namespace gf::test
