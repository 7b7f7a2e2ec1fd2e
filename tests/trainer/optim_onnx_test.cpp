// ONNX's own cases of its training operators (Adam, Adagrad, Momentum of ai.onnx.preview.training) under our rules. They are no ops
// of ours: an update is ordinary arithmetic. Where the operators' words differ from PyTorch's:
//   T counts from 0. alpha, beta: momentum and 1 - dampening, or both betas. norm_coefficient: weight decay, L2.
//   Adam leaves the bias in at T = 0 (all its cases): our rule so late that there is none.
#include "tests/runtime/session_support.h"
#include "tests/trainer/update_support.h"
#include "trainer/optim/optimizers.h"

namespace gf::test {
namespace {

using namespace gf::optim;

struct OnnxCase {
  TestNet net;
  onnx::Node node;

  double number(const char* attribute, double otherwise) const {
    const onnx::Attribute* a = node.find(attribute);
    return a != nullptr ? static_cast<double>(a->f) : otherwise;
  }
  /// Every element of input i, in set 0.
  std::vector<double> input(size_t i) const { return io_array(net.inputs[0][i].second); }
  static std::vector<double> io_array(const HostTensor& t) { return t.as<double>(); }
};

OnnxCase read_case(const std::string& name) {
  OnnxCase c;
  const auto folder = data_path("onnx-backend/node/" + name);
  c.net = read_net(folder);
  c.node = onnx::read_model_file(folder / "model.onnx").graph.node.at(0);
  return c;
}

// Inputs: R, T, all X, all G, then all of each slot; outputs: all X, then all of each slot.
void expect_like_onnx(const OnnxCase& c, const Optimizer& rule, double step) {
  const size_t slot_count = rule.slots(1).size(), parameters = (c.net.inputs[0].size() - 2) / (2 + slot_count);
  ASSERT_EQ(c.net.inputs[0].size(), 2 + parameters * (2 + slot_count));
  ASSERT_EQ(c.net.expected[0].size(), parameters * (1 + slot_count));
  std::vector<std::vector<int64_t>> shapes;
  std::vector<std::vector<double>> gradients;
  for (size_t k = 0; k < parameters; ++k) {
    shapes.push_back(c.net.inputs[0][2 + k].second.shape);
    gradients.push_back(c.input(2 + parameters + k));
  }
  UpdateRun<float> run(rule, shapes);
  const auto name = [&](size_t i, size_t k) { return run.name(k, i == 0 ? "" : rule.slots(1)[i - 1].name); };
  for (size_t k = 0; k < parameters; ++k)
    for (size_t i = 0; i <= slot_count; ++i) run.set(name(i, k), c.input(2 + (i == 0 ? 0 : i + 1) * parameters + k));
  run.step(c.input(0)[0], step, gradients);
  for (size_t k = 0; k < parameters; ++k)
    for (size_t i = 0; i <= slot_count; ++i)
      EXPECT_TRUE(all_close(run.get(name(i, k)), OnnxCase::io_array(c.net.expected[0][i * parameters + k]), {.relative = 1e-6}))
          << name(i, k);
}

TEST(OnnxOptimizers, Adam) {
  for (const char* name : {"test_adam", "test_adam_multiple"}) {
    GF_SKIP_WITHOUT_DATA("onnx-backend/node/" + std::string(name));
    SCOPED_TRACE(name);
    const OnnxCase c = read_case(name);
    ASSERT_EQ(c.input(1)[0], 0);
    expect_like_onnx(c, Adam({.betas = {c.number("alpha", 0.9), c.number("beta", 0.999)}, .eps = c.number("epsilon", 1e-6),
                              .weight_decay = c.number("norm_coefficient", 0)}), 1e6);
  }
}

TEST(OnnxOptimizers, Adagrad) {
  for (const char* name : {"test_adagrad", "test_adagrad_multiple"}) {
    GF_SKIP_WITHOUT_DATA("onnx-backend/node/" + std::string(name));
    SCOPED_TRACE(name);
    const OnnxCase c = read_case(name);
    expect_like_onnx(c, Adagrad({.lr_decay = c.number("decay_factor", 0), .weight_decay = c.number("norm_coefficient", 0),
                                 .eps = c.number("epsilon", 1e-6)}), c.input(1)[0] + 1);
  }
}

TEST(OnnxOptimizers, Momentum) {
  for (const char* name : {"test_momentum", "test_momentum_multiple", "test_nesterov_momentum"}) {
    GF_SKIP_WITHOUT_DATA("onnx-backend/node/" + std::string(name));
    SCOPED_TRACE(name);
    const OnnxCase c = read_case(name);
    expect_like_onnx(c, SGD({.momentum = c.number("alpha", 0), .dampening = 1 - c.number("beta", 0),
                             .weight_decay = c.number("norm_coefficient", 0), .nesterov = c.node.find("mode")->s == "nesterov"}),
                     c.input(1)[0] + 1);
  }
}

}  // namespace
}  // namespace gf::test
