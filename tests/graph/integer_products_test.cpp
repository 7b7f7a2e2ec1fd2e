// Dequantised numbers multiplied as integers: the same values, on integer kernels of every level, for matrices and convolutions of many shapes;
// and what is left as it was.
#include <set>

#include "schema/ops/conv.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/matmul.h"
#include "schema/ops/quantize_linear.h"
#include "schema/ops/relu.h"
#include "schema/ops/transpose.h"
#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;

int with_integers(ir::Model& model, const PassOptions& options) {
  PassOptions own = options;
  own.integer_products = true;
  return integer_products(model, own);
}

struct Quantised {
  DType type = DType::U8;
  double scale = 0.02;
  int zero = 100;
  bool has_zero = true;
};
ValueId bytes(Net& net, DType type, const std::vector<int64_t>& dims, uint64_t seed) {
  size_t count = 1;
  for (const int64_t d : dims) count *= static_cast<size_t>(d);
  const std::vector<float> values = random_vector<float>(count, seed, -127, 127);
  std::vector<std::byte> all;
  for (const float v : values) all.push_back(static_cast<std::byte>(static_cast<int>(v)));
  return net.entry.add_constant(ir::make_constant(type, dims, std::move(all)));
}
ValueId splat(Net& net, DType type, const std::vector<int64_t>& dims, int value) {
  const std::byte v[1] = {static_cast<std::byte>(value)};
  return net.entry.add_constant(ir::make_splat(type, dims, v));
}
/// x as bytes and back.
ValueId there_and_back(Net& net, ValueId x, const Quantised& q) {
  std::vector<ValueId> more = {net.number(q.scale)};
  if (q.has_zero) more.push_back(splat(net, q.type, {}, q.zero));
  const ValueId b = net.b.add<op::QuantizeLinear>({x, more[0], q.has_zero ? more[1] : ir::kNoValue}, {.output_dtype = q.has_zero ? DType::Invalid : q.type});
  std::vector<ValueId> in = {b};
  in.insert(in.end(), more.begin(), more.end());
  return net.b.add<op::DequantizeLinear>(in, {});
}
/// Constant int8 of these sizes with a scale for each channel of `axis`, or one.
ValueId weights(Net& net, const std::vector<int64_t>& dims, int axis, uint64_t seed, DType type = DType::I8) {
  std::vector<ValueId> in = {bytes(net, type, dims, seed)};
  if (axis < 0) in.push_back(net.number(0.01));
  else in.push_back(net.weights({dims[static_cast<size_t>(axis)]}, 0.002, 0.02));
  return net.b.add<op::DequantizeLinear>(in, {.axis = axis < 0 ? 1 : axis});
}

// Integer kernels give the same bits on every level: sums are exact.
void expect_same_on_every_level(const MakeNet& make) {
  Net net;
  make(net);
  PassOptions options;
  options.evaluator = make_evaluator(default_tables(false));
  with_integers(net.model, options);
  remove_dead(net.model, options);
  const std::vector<std::byte> file = emit(net.model);
  std::vector<std::byte> first;
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Vnni})
    for (const int threads : {1, 3}) {
      ModelOptions how;
      how.xnnpack = false;
      how.isa = isa;
      how.threads = threads;
      Model model = Model::from_bytes(file, how);
      for (int i = 0; i < model.session("main").input_count(); ++i) {
        const TensorView v = model.session("main").input(i);
        fill_random<float>({v.as<float>(), static_cast<size_t>(v.count())}, 5, -3, 3);
      }
      model.run();
      const TensorView y = model.session("main").output(0);
      const auto* const at = static_cast<const std::byte*>(y.data);
      const std::vector<std::byte> all(at, at + y.count() * 4);
      if (first.empty()) first = all;
      EXPECT_EQ(all, first) << isa_name(isa) << ", " << threads << " threads";
    }
}

TEST(IntegerProducts, Matrices) {
  int number = 0;
  for (const auto& [rows, depth, columns] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {3, 7, 5}, {33, 64, 16}, {65, 100, 70}, {2, 1030, 31}})
    for (const bool transposed : {false, true}) {
      const bool per_channel = number % 2 == 0, bias = number % 3 != 0;
      const Quantised q = number % 4 == 3 ? Quantised{DType::I8, 0.03, -7, number % 8 != 7} : Quantised{};
      const MakeNet make = [&, rows = rows, depth = depth, columns = columns](Net& net) {
        const ValueId x = there_and_back(net, net.input("x", {2, rows, depth}), q);
        const ValueId w = weights(net, transposed ? std::vector<int64_t>{columns, depth} : std::vector<int64_t>{depth, columns}, per_channel ? (transposed ? 0 : 1) : -1, 3);
        std::vector<ValueId> in = {x, w};
        if (bias) in.push_back(net.weights({columns}));
        net.output("y", net.b.add<op::Relu>({net.b.add<op::MatMul>(in, {.transpose_b = transposed, .alpha = 0.5})}));
      };
      SCOPED_TRACE(testing::Message() << rows << "x" << depth << "x" << columns << (transposed ? " transposed" : ""));
      const auto counts = optimised(make, {with_integers}, {}, {1e-5, 1e-5});
      EXPECT_EQ(count_of(counts, "matmul_integer"), 1);
      EXPECT_EQ(count_of(counts, "matmul") + count_of(counts, "dequantize_linear"), 0);
      expect_same_on_every_level(make);
      ++number;
    }
}

TEST(IntegerProducts, Convolutions) {
  struct Case {
    std::vector<int64_t> x, w;
    std::vector<int64_t> strides, pads, dilations;
  };
  const std::vector<Case> cases = {
      {{2, 9, 8, 1}, {6, 1, 5, 5}, {}, {2, 2, 2, 2}, {}},    {{1, 7, 7, 12}, {32, 12, 3, 3}, {2, 2}, {1, 0, 0, 1}, {}}, {{3, 6, 5, 8}, {20, 8, 1, 1}, {}, {}, {}},
      {{1, 6, 5, 6}, {17, 6, 1, 1}, {1, 2}, {}, {}},         {{1, 10, 11, 3}, {5, 3, 3, 2}, {}, {2, 1, 2, 1}, {2, 3}},    {{2, 12, 5}, {4, 5, 4}, {3}, {3, 2}, {}},
      {{1, 4, 5, 6, 3}, {7, 3, 2, 3, 2}, {1, 2, 1}, {1, 0, 1, 0, 1, 1}, {}}, {{1, 2, 2, 4}, {3, 4, 5, 5}, {}, {2, 2, 2, 2}, {}},
  };
  int number = 0;
  for (const Case& c : cases) {
    const Quantised q = number % 2 == 1 ? Quantised{DType::I8, 0.03, -7, true} : Quantised{};
    const MakeNet make = [&](Net& net) {
      std::vector<Dim> dims(c.x.begin(), c.x.end());
      std::vector<ValueId> in = {there_and_back(net, net.input("x", dims), q), weights(net, c.w, number % 3 == 0 ? -1 : 0, 9)};
      if (number % 2 == 0) in.push_back(net.weights({c.w[0]}));
      net.output("y", net.b.add<op::Conv>(in, {.strides = c.strides, .dilations = c.dilations, .pads = c.pads}));
    };
    SCOPED_TRACE(number++);
    const auto counts = optimised(make, {with_integers}, {}, {1e-5, 1e-5});
    EXPECT_EQ(count_of(counts, "conv_integer"), 1);
    EXPECT_EQ(count_of(counts, "conv") + count_of(counts, "dequantize_linear"), 0);
    expect_same_on_every_level(make);
  }
}

// A convolution between bytes: its bias in units of the sums, as quantised nets have it, and relu where saturation is as much.
struct Between {
  std::vector<int64_t> x, w;
  Quantised to;
  bool bias = true, relu = false, turned = false;
  double off = 0;  // of the bias, in units of the sums
};
MakeNet between(const Between& c) {
  return [c](Net& net) {
    ValueId x = there_and_back(net, net.input("x", std::vector<Dim>(c.x.begin(), c.x.end())), {});
    if (c.turned) x = net.b.add<op::Transpose>({x}, {.perm = std::vector<int64_t>{0, 2, 3, 1}});
    std::vector<ValueId> in = {x, weights(net, c.w, -1, 9)};  // 0.02 and 0.01
    std::vector<float> bias;
    for (int64_t m = 0; m < c.w[0]; ++m) bias.push_back(static_cast<float>((static_cast<double>(m * m * 7 - 300) + c.off) * static_cast<double>(0.02f) * static_cast<double>(0.01f)));
    if (c.bias) in.push_back(net.entry.add_constant(ir::make_floats(bias, {c.w[0]})));
    ValueId y = net.b.add<op::Conv>(in, {.pads = std::vector<int64_t>{1, 0, 0, 1}});
    if (c.relu) y = net.b.add<op::Relu>({y});
    net.output("y", there_and_back(net, y, c.to));
  };
}

TEST(IntegerProducts, BetweenBytes) {
  // scales of which no multiple of those of the sums is a half: there rounding errors of float sums would decide
  const Quantised narrow{DType::U8, 0.0131371, 0, true}, wide{DType::U8, 0.0513707, 120, true}, is_signed{DType::I8, 0.0413713, -128, true}, plain{DType::I8, 0.0413713, 0, false};
  const std::vector<Between> cases = {
      {{2, 9, 8, 3}, {6, 3, 3, 3}, wide},
      {{1, 7, 7, 12}, {32, 12, 1, 1}, narrow, true, true},
      {{1, 5, 6, 4}, {17, 4, 2, 3}, is_signed, false, true},
      {{3, 4, 4, 5}, {20, 5, 1, 1}, plain, false},
      {{1, 3, 9, 8}, {6, 3, 3, 3}, wide, true, false, true},
  };
  int number = 0;
  for (const Between& c : cases) {
    SCOPED_TRACE(number++);
    const auto counts = optimised(between(c), {with_integers}, {}, {1e-5, 1e-5});
    EXPECT_EQ(count_of(counts, "qlinear_conv"), 1);
    EXPECT_EQ(count_of(counts, "conv") + count_of(counts, "conv_integer") + count_of(counts, "relu"), 0);
    expect_same_on_every_level(between(c));
  }
  // and what it does not say: a bias that is no sum, relu above the least byte
  for (const Between& c : {Between{{2, 9, 8, 3}, {6, 3, 3, 3}, wide, true, false, false, 0.4}, Between{{2, 9, 8, 3}, {6, 3, 3, 3}, wide, true, true}}) {
    const auto counts = optimised(between(c), {with_integers}, {}, {1e-5, 1e-5});
    EXPECT_EQ(count_of(counts, "qlinear_conv"), 0);
    EXPECT_EQ(count_of(counts, "conv_integer"), 1);
  }
}

TEST(IntegerProducts, OnVectorKernels) {
  Net net;
  const ValueId x = there_and_back(net, net.input("x", {1, 8, 8, 4}), {});
  const ValueId image = net.b.add<op::Conv>({x, weights(net, {16, 4, 3, 3}, 0, 1)}, {});
  const ValueId again = net.b.add<op::Conv>({there_and_back(net, net.b.add<op::Relu>({image}), {}), weights(net, {16, 16, 1, 1}, 0, 3)}, {});
  net.output("z", net.b.add<op::Relu>({there_and_back(net, again, {})}));
  net.output("y", net.b.add<op::MatMul>({there_and_back(net, again, {}), weights(net, {16, 10}, 1, 2)}, {}));
  PassOptions options;
  options.integer_products = true;
  (void)run_passes(net.model, options);
  ModelOptions how;
  how.xnnpack = false;
  Model model = Model::from_bytes(emit(net.model), how);
  if (!isa_allows(model.isa(), Isa::Avx2)) GTEST_SKIP() << "there are no vector kernels of integers for " << isa_name(model.isa());
  std::set<std::string> kernels;
  Session& s = model.session("main");
  for (int i = 0; i < s.node_count(); ++i) kernels.insert(s.node(i).kernel);
  for (const char* name : {"conv_integer_simd", "matmul_integer_simd", "qlinear_conv_simd", "quantize_linear_simd", "dequantize_linear_simd"}) EXPECT_TRUE(kernels.contains(name)) << name;
  for (const std::string& name : kernels) EXPECT_EQ(name.find("portable"), std::string::npos) << name;
}

// Only what integers can say exactly as well.
TEST(IntegerProducts, LeftAlone) {
  const auto left = [](const MakeNet& make) {
    const auto counts = optimised(make, {with_integers}, {}, {0, 0});
    EXPECT_EQ(count_of(counts, "matmul_integer") + count_of(counts, "conv_integer"), 0);
  };
  const auto matmul = [](Net& net, ValueId x, ValueId w, const op::MatMul::Attrs& a = {}) { net.output("y", net.b.add<op::MatMul>({x, w}, a)); };
  left([&](Net& net) { matmul(net, net.input("x", {3, 8}), weights(net, {8, 4}, 1, 1)); });                                             // x is no bytes
  left([&](Net& net) { matmul(net, there_and_back(net, net.input("x", {3, 8}), {}), net.weights({8, 4})); });                           // the weights are none
  left([&](Net& net) { matmul(net, there_and_back(net, net.input("x", {3, 8}), {}), weights(net, {8, 4}, 1, 1, DType::U8)); });         // or unsigned
  left([&](Net& net) { matmul(net, there_and_back(net, net.input("x", {3, 8}), {}), weights(net, {8, 4}, 0, 1)); });                    // scales along the sum
  left([&](Net& net) { matmul(net, there_and_back(net, net.input("x", {8, 3}), {}), weights(net, {8, 4}, 1, 1), {.transpose_a = true}); });
  left([&](Net& net) {  // zero points of weights
    const ValueId w = net.b.add<op::DequantizeLinear>({bytes(net, DType::I8, {8, 4}, 1), net.number(0.01), splat(net, DType::I8, {}, 3)}, {});
    matmul(net, there_and_back(net, net.input("x", {3, 8}), {}), w);
  });
  left([&](Net& net) { net.output("y", net.b.add<op::Conv>({there_and_back(net, net.input("x", {1, 5, 5, 4}), {}), weights(net, {4, 2, 3, 3}, 0, 1)}, {.groups = 2})); });
  // and without being asked for
  Net net;
  matmul(net, there_and_back(net, net.input("x", {3, 8}), {}), weights(net, {8, 4}, 1, 1));
  (void)run_passes(net.model, {});
  EXPECT_EQ(count_of(op_counts(net.model), "matmul_integer"), 0);
}

}  // namespace
}  // namespace gf::test
