// check_model(): what becomes of a model's types, State and open sizes before it is checked, and what is refused.
#include "trainer/autodiff/check_model.h"

#include "runtime/core/half.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/autodiff/float64.h"

namespace gf::test {
namespace {

ModelCheckReport checked(Net& n, ModelCheckOptions options = {}) {
  options.each = true;
  return check_model(n.model, options);
}

TEST(CheckModel, WeightsStateAndInputs) {
  Net n;
  const auto x = n.input("x", {n.entry.symbols.symbol("N", 1, 8), 3}, DType::F32);
  const auto w = n.entry.add_constant(ir::make_floats(std::vector<float>{1, 2, 3, 4, 5, -6}, {3, 2}), "w");
  n.model.states.push_back({"h", DType::F32, {2}, ir::make_floats(std::vector<float>{0.5f, -0.25f}, {2})});
  ir::Value h;
  h.name = "h";
  h.dtype = DType::F32;
  h.shape.push(2);
  h.shape_known = true;
  h.state = 0;
  const auto state = n.entry.add_value(std::move(h));
  const auto y = n.b.add<op::Tanh>({n.b.add<op::Add>({n.b.add<op::MatMul>({x, w}), state})});
  n.output("y", y);
  n.b.node<op::Identity>({n.b.add<op::ReduceMean>({y, n.b.add<op::Identity>({n.b.ints({0})})}, {.keepdims = false})}).writes_state = 0;
  ModelCheckOptions options;
  options.inputs = {{"x", io::Array::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3})}};
  const ModelCheckReport r = checked(n, options);
  EXPECT_TRUE(r.all.ok) << r.all.text;
  ASSERT_EQ(r.tensors.size(), 3U);
  EXPECT_EQ(r.tensors[0].name, "x");
  EXPECT_EQ(r.tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(r.tensors[1].kind, ModelCheckReport::Kind::State);
  EXPECT_EQ(r.tensors[2].name, "w");
  EXPECT_EQ(r.tensors[2].kind, ModelCheckReport::Kind::Weight);
  for (const auto& t : r.tensors) EXPECT_TRUE(t.report.ok && t.report.compared > 0) << t.name << ": " << t.report.text;
}

// Every number of 16 or 32 bits is the same number in float64, also where an attribute says the type.
TEST(CheckModel, Float64) {
  Net n;
  const auto x = n.input("x", {4}, DType::F16);
  const auto c = n.entry.add_constant(ir::make_floats(std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f}, {4}), "c");
  const auto y = n.b.add<op::Mul>({n.b.add<op::Cast>({x}, {.to = DType::F32}), c});
  n.output("y", n.b.add<op::Exp>({y}));
  to_float64(n.model);
  EXPECT_EQ(n.entry.value(n.entry.body.inputs[0]).dtype, DType::F64);
  EXPECT_EQ(n.entry.value(n.entry.body.outputs[0]).dtype, DType::F64);
  const ir::Constant& wide = *n.entry.value(c).constant;
  ASSERT_EQ(wide.data.size(), 4 * sizeof(double));
  double first = 0;
  std::memcpy(&first, wide.data.data(), sizeof first);
  EXPECT_EQ(first, static_cast<double>(0.1f));
  EXPECT_TRUE(checked(n).all.ok);
}

// The loss has no gradient by class weights: they stay a constant.
TEST(CheckModel, ConstantsWithoutGradientStay) {
  Net n;
  const auto x = n.input("x", {3, 4}, DType::F32), t = n.b.add<op::ArgMax>({x}, {.axis = 1, .keepdims = false});
  const auto weights = n.entry.add_constant(ir::make_floats(std::vector<float>{1, 2, 3, 4}, {4}), "class weights");
  n.output("loss", n.b.add<op::SoftmaxCrossEntropyLoss>({x, t, weights}));
  const ModelCheckReport r = checked(n);
  EXPECT_TRUE(r.all.ok) << r.all.text;
  EXPECT_EQ(r.tensors.size(), 1U);
}

// The bits of a number are others in float64.
TEST(CheckModel, OpsThatFloat64DoesNotHave) {
  Net n;
  const auto x = n.input("x", {2}, DType::F32);
  n.output("y", n.b.add<op::BitCast>({x}, {.to = DType::I32}));
  try {
    to_float64(n.model);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported) << e.what();
  }
}

template <class F>
void expect_refused(Error code, const std::string& text, F&& make, const ModelCheckOptions& options = {}) {
  Net n;
  make(n);
  try {
    (void)checked(n, options);
    ADD_FAILURE() << "nothing was thrown; " << text;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(CheckModel, Refused) {
  const auto plain = [](Net& n) { n.output("y", n.b.add<op::Exp>({n.input("x", {2}, DType::F32)})); };
  ModelCheckOptions options;
  options.entry = "other";
  expect_refused(Error::NotFound, "no entry 'other'", plain, options);
  options = {};
  options.inputs = {{"z", io::Array::zeros(DType::F32, {2})}};
  expect_refused(Error::NotFound, "no input 'z'", plain, options);
  expect_refused(Error::NotFound, "'i' is int64: the check needs a value", [](Net& n) {
    n.output("y", n.b.add<op::Gather>({n.input("x", {3}, DType::F32), n.input("i", {2}, DType::I64)}));
  });
  expect_refused(Error::Unsupported, "draws other numbers in each run", [](Net& n) {
    n.output("y", n.b.add<op::Bernoulli>({n.input("x", {3}, DType::F32)}));
  });
  expect_refused(Error::InvalidArgument, "no float64 output", [](Net& n) {
    n.output("y", n.b.add<op::ArgMax>({n.input("x", {3}, DType::F32)}));
  });
}

}  // namespace
}  // namespace gf::test
