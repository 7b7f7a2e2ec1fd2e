// Graphs in float16 and bfloat16 become graphs in float32 with casts at their edges; expected values in float64.
#include <cmath>

#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;

ir::ConstantPtr half_constant(std::vector<float> values, std::vector<int64_t> dims) {
  std::vector<std::byte> bytes(values.size() * sizeof(F16));
  for (size_t i = 0; i < values.size(); ++i) {
    const F16 h = to_f16(values[i]);
    std::memcpy(bytes.data() + i * sizeof h, &h, sizeof h);
  }
  return ir::make_constant(DType::F16, std::move(dims), std::move(bytes));
}

std::vector<float> floats_of(const HostTensor& t) {
  std::vector<float> out;
  for (int64_t i = 0; i < t.count(); ++i)
    out.push_back(t.dtype == DType::F16 ? to_f32(reinterpret_cast<const F16*>(t.data.data())[i])
                                        : reinterpret_cast<const float*>(t.data.data())[i]);
  return out;
}

std::map<std::string, int> widened(Net& net) {
  widen_half(net.model, {});
  ir::check(net.model);
  remove_no_ops(net.model, {});
  remove_dead(net.model, {});
  for (const auto& n : net.entry.body.nodes) {
    if (n->is<op::Cast>() || n->is<op::BitCast>()) continue;
    for (ValueId v : n->outputs) EXPECT_NE(net.entry.value(v).dtype, DType::F16) << ir::to_text(net.entry);
  }
  return op_counts(net.model);
}

TEST(Half, ProductsSumInFloat32AndTheEdgesKeepTheirType) {
  const size_t k = 2048;
  const std::vector<float> w = random_vector<float>(k, 5, -1, 1);
  Net net;
  const ValueId x = net.input("x", {1, static_cast<int64_t>(k)}, DType::F16);
  const ValueId y = net.b.add<op::MatMul>({x, net.entry.add_constant(half_constant(w, {static_cast<int64_t>(k), 1}))});
  net.output("y", net.b.add<op::Tanh>({net.b.add<op::Mul>({y, net.b.scalar(DType::F16, 0.0625)})}));
  EXPECT_EQ(widened(net), (std::map<std::string, int>{{"cast", 2}, {"matmul", 1}, {"mul", 1}, {"tanh", 1}}));
  EXPECT_EQ(store_half(net.model, {}), 1);
  const auto out = run_net(net, {});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].first, "y");
  EXPECT_EQ(out[0].second.dtype, DType::F16);
  const auto input = random_vector<float>(k, 77, -2, 2);  // as run_net fills it
  double sum = 0;
  for (size_t i = 0; i < k; ++i)
    sum += static_cast<double>(to_f32(to_f16(input[i]))) * static_cast<double>(to_f32(to_f16(w[i])));
  EXPECT_EQ(floats_of(out[0].second)[0], to_f32(to_f16(static_cast<float>(std::tanh(sum * 0.0625)))));
  EXPECT_LT(emit(net.model).size(), k * sizeof(F16) + 4096);
}

TEST(Half, WhatEntersAndLeavesUntouchedStays) {
  Net net;
  const ValueId x = net.input("x", {4}, DType::F16);
  net.output("same", x);
  net.output("constant", net.entry.add_constant(half_constant({1, 2}, {2})));
  net.output("twice", net.b.add<op::Add>({x, x}));
  net.output("wide", net.b.cast(x, DType::F32));
  EXPECT_EQ(widened(net), (std::map<std::string, int>{{"add", 1}, {"cast", 3}}));  // one to float32 is the output itself
  const auto out = run_net(net, {});
  ASSERT_EQ(out.size(), 4U);
  const DType types[] = {DType::F16, DType::F16, DType::F16, DType::F32};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(out[i].second.dtype, types[i]) << out[i].first;
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(floats_of(out[2].second)[i], 2 * floats_of(out[0].second)[i]);
  EXPECT_EQ(floats_of(out[1].second), (std::vector<float>{1, 2}));
}

// An op whose meaning depends on the 16 bits gets them; one whose result type is an attribute is widened behind it.
TEST(Half, BitsAndTypesThatAttributesGive) {
  Net net;
  const ValueId x = net.input("x", {3}, DType::F16);
  const ValueId bits = net.b.add<op::BitCast>({net.b.add<op::Neg>({x})}, {.to = DType::I16});
  const ValueId back = net.b.add<op::BitCast>({bits}, {.to = DType::F16});
  net.output("y", net.b.add<op::Neg>({back}));
  net.output("bits", bits);
  widened(net);
  const auto out = run_net(net, {});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[1].second.dtype, DType::I16);
  const auto input = random_vector<float>(3, 77, -2, 2);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(floats_of(out[0].second)[i], to_f32(to_f16(input[i])));
}

TEST(Half, StatesKeepTheirType) {
  Net net;
  const ValueId x = net.input("x", {2}, DType::F16);
  net.model.states.push_back({"sum", DType::F16, {2}, half_constant({0.5F, 1}, {2})});
  ir::Value held = net.entry.value(x);
  held.state = 0;
  held.name = "sum";
  const ValueId state = net.entry.add_value(held);
  const ValueId next = net.b.add<op::Add>({state, x});
  net.b.node<op::Identity>({next}).writes_state = 0;
  net.output("y", next);
  widen_half(net.model, {});
  ir::check(net.model);
  ModelOptions options;
  options.xnnpack = false;
  Model model = Model::from_bytes(emit(net.model), options);
  HostTensor one = HostTensor::zeros(DType::F16, {2});
  for (size_t i = 0; i < 2; ++i) reinterpret_cast<F16*>(one.data.data())[i] = to_f16(1);
  run_named(model, {{"x", one}});
  EXPECT_EQ(floats_of(run_named(model, {{"x", one}})[0].second), (std::vector<float>{2.5F, 3}));
}

TEST(Half, TrainStepsAndFloat32GraphsAreLeftAlone) {
  Net net;
  net.output("y", net.b.add<op::Add>({net.input("x", {2}, DType::F16), net.b.scalar(DType::F16, 1)}));
  PassOptions exact;
  exact.exact = true;
  EXPECT_EQ(widen_half(net.model, exact), 0);
  Net wide;
  wide.output("y", wide.b.add<op::Add>({wide.input("x", {2}), wide.number(1)}));
  EXPECT_EQ(widen_half(wide.model, {}), 0);
  const ValueId weights = wide.entry.add_constant(ir::make_floats(std::vector<float>(4096, 0.5F), {4096}));
  run_passes(wide.model, {});
  EXPECT_EQ(wide.entry.value(weights).constant->dtype, DType::F32);  // used in place, as it came
}

}  // namespace
}  // namespace gf::test
