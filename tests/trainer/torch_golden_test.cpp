// Gradients in float32 against PyTorch's in float64 (data/gradients.json, made by make_gradient_goldens.py): layers, losses, and
// what is chosen at kinks and ties.
#include <set>

#include "tests/trainer/golden_json.h"
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

using nlohmann::json;
using List = std::vector<int64_t>;
using Inputs = std::map<std::string, ir::ValueId>;
using Make = std::function<ir::ValueId(Net&, const Inputs&)>;

const json& goldens() {
  static const json all = golden_file("gradients.json");
  return all;
}

std::set<std::string>& compared() {
  static std::set<std::string> names;
  return names;
}

void expect_like_torch(const std::string& name, const Make& make) {
  SCOPED_TRACE(name);
  const auto it = std::find_if(goldens().begin(), goldens().end(), [&](const json& c) { return c["name"] == name; });
  ASSERT_NE(it, goldens().end());
  const json& c = *it;
  compared().insert(name);
  GradNet n;
  Inputs inputs;
  std::vector<std::pair<std::string, HostTensor>> values;
  for (const auto& [input, tensor] : c["inputs"].items()) {
    io::Array a = array_of(tensor);
    inputs[input] = n.input(input, std::vector<Dim>(a.shape.begin(), a.shape.end()), a.dtype);
    values.emplace_back(input, std::move(a));
  }
  const auto y = make(n, inputs);
  n.output("y", y);
  io::Array seed = array_of(c["dy"]);
  const auto dy = n.input("dy", std::vector<Dim>(seed.shape.begin(), seed.shape.end()));
  values.emplace_back("dy", std::move(seed));
  std::vector<ir::ValueId> wrt;
  for (const auto& [input, tensor] : c["gradients"].items()) wrt.push_back(inputs.at(input));
  const auto g = gradients(n.entry, {{y}}, {{dy}}, wrt);
  size_t k = 0;
  for (const auto& [input, tensor] : c["gradients"].items()) n.output("d " + input, n.b.add<op::Identity>({g[k++]}));
  ir::check(n.model);
  Model model = Model::from_bytes(emit(n.model), {});
  const auto close = [](const HostTensor& actual, const json& expected) {
    const auto e = expected["data"].get<std::vector<float>>();
    const std::span<const float> a(reinterpret_cast<const float*>(actual.data.data()), static_cast<size_t>(actual.count()));
    return all_close<float>(a, e, {.relative = 1e-5, .absolute = 1e-5});
  };
  for (const auto& [output, actual] : run_named(model, values)) {
    const json& expected = output == "y" ? c["y"] : c["gradients"][output.substr(2)];
    EXPECT_EQ(actual.shape, expected["shape"].get<List>()) << output;
    EXPECT_TRUE(close(actual, expected)) << output;
  }
}

template <class Attrs>
Attrs window(const List& strides, const List& pads) {
  Attrs a;
  a.strides = strides;
  a.pads = pads;
  return a;
}
const List kOne{1, 1}, kTwo{2, 2}, kThree{3, 3}, kOnes{1, 1, 1, 1};

TEST(TorchGradients, Convolutions) {
  expect_like_torch("conv", [](Net& n, const Inputs& in) {
    auto a = window<op::Conv::Attrs>(kTwo, kOnes);
    a.groups = 2;
    return n.b.add<op::Conv>({in.at("x"), in.at("w"), in.at("b")}, a);
  });
  expect_like_torch("conv_dilated", [](Net& n, const Inputs& in) {
    op::Conv::Attrs a;
    a.dilations = kTwo;
    return n.b.add<op::Conv>({in.at("x"), in.at("w")}, a);
  });
  expect_like_torch("conv_transpose", [](Net& n, const Inputs& in) {
    auto a = window<op::ConvTranspose::Attrs>(kTwo, kOnes);
    a.output_padding = kOne;
    return n.b.add<op::ConvTranspose>({in.at("x"), in.at("w"), in.at("b")}, a);
  });
}

TEST(TorchGradients, Pools) {
  expect_like_torch("max_pool", [](Net& n, const Inputs& in) {
    auto a = window<op::MaxPool::Attrs>(kTwo, kOnes);
    a.kernel = kThree;
    return n.b.add<op::MaxPool>({in.at("x")}, a);
  });
  expect_like_torch("average_pool", [](Net& n, const Inputs& in) {
    auto a = window<op::AveragePool::Attrs>(kTwo, kOnes);
    a.kernel = kThree;
    a.ceil_mode = true;
    return n.b.add<op::AveragePool>({in.at("x")}, a);
  });
}

TEST(TorchGradients, Normalisations) {
  expect_like_torch("batch_norm", [](Net& n, const Inputs& in) {  // while training: the batch's own statistics
    return n.b.add<op::BatchNorm>({in.at("x"), in.at("s"), in.at("b")}, {.epsilon = 1e-3f});
  });
  expect_like_torch("group_norm", [](Net& n, const Inputs& in) {
    return n.b.add<op::GroupNorm>({in.at("x"), in.at("s"), in.at("b")}, {.num_groups = 2, .epsilon = 1e-3f});
  });
  expect_like_torch("layer_norm", [](Net& n, const Inputs& in) {
    return n.b.add<op::LayerNorm>({in.at("x"), in.at("s"), in.at("b")}, {.epsilon = 1e-3f});
  });
}

TEST(TorchGradients, GeluLossesEmbeddingAttention) {
  expect_like_torch("gelu", [](Net& n, const Inputs& in) { return n.b.add<op::Gelu>({in.at("x")}); });
  expect_like_torch("gelu_tanh", [](Net& n, const Inputs& in) {
    return n.b.add<op::Gelu>({in.at("x")}, {.approximate = op::Gelu::Approximate::Tanh});
  });
  expect_like_torch("cross_entropy", [](Net& n, const Inputs& in) {
    const auto weights = n.entry.add_constant(ir::make_floats(std::vector<float>{0.5f, 1, 2, 1.5f, 0.25f}, {5}));
    return n.b.add<op::SoftmaxCrossEntropyLoss>({in.at("x"), in.at("t"), weights}, {.ignore_index = -100});
  });
  expect_like_torch("embedding", [](Net& n, const Inputs& in) { return n.b.add<op::Gather>({in.at("w"), in.at("t")}); });
  expect_like_torch("attention", [](Net& n, const Inputs& in) {
    return n.b.add<op::Attention>({in.at("q"), in.at("k"), in.at("v")}, {.is_causal = true});
  });
}

template <class Op>
void unary(const std::string& name, const typename Op::Attrs& attrs = {}) {
  expect_like_torch(name, [&](Net& n, const Inputs& in) { return n.b.add<Op>({in.at("x")}, attrs); });
}

TEST(TorchGradients, KinksAndTies) {
  unary<op::Relu>("kink_relu");
  unary<op::LeakyRelu>("kink_leaky_relu", {.alpha = 0.01f});
  unary<op::Elu>("kink_elu");
  unary<op::Selu>("kink_selu");
  unary<op::Celu>("kink_celu");
  unary<op::Abs>("kink_abs");
  unary<op::HardSigmoid>("kink_hard_sigmoid", {.alpha = 1.0f / 6});
  unary<op::Softsign>("kink_softsign");
  unary<op::Shrink>("kink_shrink", {.lambd = 0.5f});
  unary<op::Clip>("kink_clip", {.min = -1, .max = 1});
  expect_like_torch("kink_max", [](Net& n, const Inputs& in) { return n.b.add<op::Max>({in.at("a"), in.at("b")}); });
  expect_like_torch("kink_pow", [](Net& n, const Inputs& in) { return n.b.add<op::Pow>({in.at("x"), in.at("e")}); });
  static constexpr int64_t kRows[] = {1};
  unary<op::ReduceMax>("kink_reduce_max", {.axes = kRows, .keepdims = false});
  unary<op::ReduceProd>("kink_prod", {.axes = kRows, .keepdims = false});
}

// A stack of recurrent layers, each reading the last one's outputs; all outputs of the last one in a row.
template <class Op>
void recurrent(const std::string& name, int layers, int64_t directions, op::Lstm::Attrs a) {
  a.hidden = 5;
  if (directions == 2) a.direction = RecurrentDirection::Both;
  expect_like_torch(name, [&](Net& n, const Inputs& in) {
    ir::ValueId x = in.at("x");
    std::vector<ir::ValueId> outputs;
    for (int k = 0; k < layers; ++k) {
      const std::string number = std::to_string(k);
      std::vector<ir::ValueId> inputs{x, in.at("w" + number), in.at("r" + number), in.at("b" + number), ir::kNoValue};
      for (const char* state : {"h", "c"})
        if (k == 0 && in.contains(state)) inputs.push_back(in.at(state));
      outputs = n.b.node<Op>(inputs, a, in.contains("c") ? 3 : 2).outputs;
      x = n.b.reshape(n.b.transpose(outputs[0], List{0, 2, 1, 3}), List{0, 0, directions * a.hidden});
    }
    outputs[0] = x;
    for (ir::ValueId& v : outputs) v = n.b.reshape(v, List{-1});
    return n.b.add<op::Concat>(outputs, {.axis = 0});
  });
}

TEST(TorchGradients, Recurrent) {
  recurrent<op::Lstm>("lstm", 2, 2, {});
  op::Gru::Attrs linear;
  linear.option = true;
  recurrent<op::Gru>("gru", 2, 2, linear);
  recurrent<op::Rnn>("rnn_tanh", 1, 1, {});
  static constexpr int64_t kRelu[] = {static_cast<int64_t>(CellActivation::Relu)};
  op::Rnn::Attrs relu;
  relu.activations = kRelu;
  recurrent<op::Rnn>("rnn_relu", 1, 1, relu);
}

TEST(TorchGradients, GridSample) {
  const char* const modes[] = {"bilinear", "", "bicubic"};
  const char* const paddings[] = {"zeros", "border", "reflection"};
  for (const int mode : {0, 2})
    for (const int padding : {0, 1, 2}) {
      if (mode == 2 && padding == 1) continue;  // ONNX differs from PyTorch
      expect_like_torch(std::string("grid_sample_") + modes[mode] + "_" + paddings[padding], [&](Net& n, const Inputs& in) {
        return n.b.add<op::GridSample>({in.at("x"), in.at("g")},
                                       {.mode = static_cast<GridMode>(mode), .padding = static_cast<GridPadding>(padding)});
      });
    }
}

TEST(TorchGradients, TransformsAndDeterminants) {
  const auto with_parts = [](Net& n, ir::ValueId x) { return n.b.reshape(x, List{0, 0, 1}); };
  expect_like_torch("rfft", [&](Net& n, const Inputs& in) { return n.b.add<op::Dft>({with_parts(n, in.at("x"))}, {.onesided = true}); });
  expect_like_torch("irfft", [&](Net& n, const Inputs& in) {
    return n.b.reshape(n.b.add<op::Dft>({in.at("x"), n.b.int_scalar(7)}, {.inverse = true, .onesided = true}), List{0, 0});
  });
  expect_like_torch("stft", [&](Net& n, const Inputs& in) {
    return n.b.add<op::Stft>({with_parts(n, in.at("x")), n.b.int_scalar(2), in.at("w")});
  });
  unary<op::Det>("det");
  unary<op::Det>("det_singular");
}

TEST(TorchGradients, EveryCaseWasCompared) {
  const auto* all = testing::UnitTest::GetInstance();
  if (all->test_to_run_count() != all->total_test_count()) GTEST_SKIP() << "other tests of this group were filtered out";
  for (const json& c : goldens()) EXPECT_TRUE(compared().contains(c["name"].get<std::string>())) << c["name"];
}

}  // namespace
}  // namespace gf::test
