// needs: GF_CONVERTER GF_OPS_CPU
// Bounded dynamic shapes: every size inside the bounds gives what a file made for exactly that size gives; everything else is
// an error. Values without a bound live in the pool.
#include "schema/ops/add.h"
#include "schema/ops/expand.h"
#include "schema/ops/nonzero.h"
#include "tests/runtime/session_support.h"
#include "tests/support/compare.h"

namespace gf::test {
namespace {

TEST(DynamicShapes, EveryBatchOfTheDigitsEqualsItsStaticFile) {
  Loaded l(convert_digits(1, 8));
  Running r(l);
  for (const int64_t n : {8, 1, 2, 3, 4, 5, 6, 7, 8}) {
    Loaded fixed(convert_digits(n, n));
    Running s(fixed);
    const HostTensor x = digits_input(n, static_cast<uint64_t>(n));
    const auto dynamic = run(r.session, {{"image", x}}), expected = run(s.session, {{"image", x}});
    ASSERT_EQ(dynamic[0].shape, (std::vector<int64_t>{n, 10}));
    EXPECT_TRUE(all_close(dynamic[0].as<float>(), expected[0].as<float>(), {.relative = 1e-5, .absolute = 1e-6})) << "batch " << n;
  }
}

TEST(DynamicShapes, BoundsOutsideTheIntervalAreRefusedWithText) {
  Loaded l(convert_digits(2, 5));
  Running r(l);
  ErrorDetail d;
  for (const int64_t n : {int64_t{1}, int64_t{6}, int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    const int64_t shape[] = {n, 1, 28, 28};
    EXPECT_EQ(r.session.set_input_shape(0, shape, &d), Error::ShapeOutOfBounds) << n;
    EXPECT_NE(std::string(d.text).find("2 to 5"), std::string::npos) << d.text;
  }
}

// Golden nets with open dimensions: bounds around the shapes of their data, then those shapes and smaller ones.
TEST(DynamicShapes, GoldensWithOpenDimensionsGiveTheirExpectedOutputs) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> nets = {
      {"bert", {"batch", "sequence"}}, {"bert_dynamo", {"batch", "sequence"}}, {"bigru", {"batch", "time"}},
      {"resnet50", {"N"}}, {"mobilenet_v2", {"N"}}, {"vit", {"N"}}, {"mlp", {"N"}}};
  for (const auto& [name, symbols] : nets) {
    const TestNet net = read_net(source_path("tests/golden/" + name));
    onnx::ImportOptions import;
    for (const std::string& s : symbols) import.dims[s] = {1, 24};
    Loaded l(convert_net(net, import));
    Running r(l);
    const auto out = run(r.session, net.inputs[0]);
    for (size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(out[i].shape, net.expected[0][i].shape) << name;
      EXPECT_TRUE(all_close(out[i].as<float>(), net.expected[0][i].as<float>(), {.relative = 1e-3, .absolute = 1e-4})) << name << " output " << i;
    }
  }
}

TEST(DynamicShapes, InputsThatShareASymbolMustAgree) {
  Loaded l(emit_graph([](ir::Model&, ir::Entry& e) {
    const Dim n = e.symbols.symbol("N", 1, 6);
    const auto a = e.add_input("a", DType::F32, shape_of({n}));
    const auto b = e.add_input("b", DType::F32, shape_of({n}));
    const auto y = ir::Builder(e, e.body).add<op::Add>({a, b});
    e.value(y).name = "y";
    e.body.outputs = {y};
  }));
  Running r(l);
  const auto ones = [](int64_t n) { return HostTensor::from<float>(std::vector<float>(static_cast<size_t>(n), 1.0F)); };
  EXPECT_EQ(run(r.session, {{"a", ones(3)}, {"b", ones(3)}})[0].as<float>(), (std::vector<float>{2, 2, 2}));
  set_input(r.session, "a", ones(4));
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::ShapeMismatch);
  EXPECT_NE(std::string(d.text).find("'a'"), std::string::npos) << d.text;
  set_input(r.session, "b", ones(4));
  EXPECT_EQ(run(r.session, {})[0].shape, (std::vector<int64_t>{4}));
}

TEST(DynamicShapes, ASizeThatDependsOnDataStaysInItsBound) {
  Loaded l(emit_graph([](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({e.symbols.symbol("N", 1, 5)}));
    const auto y = ir::Builder(e, e.body).add<op::NonZero>({x});
    e.value(y).name = "y";
    e.body.outputs = {y};
  }));
  Running r(l);
  const auto where = [&](std::vector<float> v) { return run(r.session, {{"x", HostTensor::from<float>(v)}})[0]; };
  EXPECT_EQ(where({0, 2, 0, 4, 5}).as<int64_t>(), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(where({0, 0}).shape, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(where({1, 1, 1, 1, 1}).as<int64_t>(), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

// y = expand(x, shape) with the shape as data: no bound at all
std::vector<std::byte> expand_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({1}));
    const auto s = e.add_input("shape", DType::I64, shape_of({1}));
    const auto y = ir::Builder(e, e.body).add<op::Expand>({x, s});
    e.value(y).name = "y";
    e.body.outputs = {y};
  });
}

TEST(Pool, HoldsValuesWithoutABound) {
  Loaded l(expand_file(), Loaded::with({}, 4096));
  Running r(l);
  EXPECT_EQ(r.needs.pool_bytes, 4096U);
  const auto expand = [&](int64_t n) {
    set_input(r.session, "x", HostTensor::from<float>(std::vector<float>{3}));
    set_input(r.session, "shape", HostTensor::from<int64_t>(std::vector<int64_t>{n}));
  };
  ErrorDetail d;
  for (const int64_t n : {5, 1, 900, 0, 17}) {
    expand(n);
    ASSERT_EQ(r.session.run(&d), Error::Ok) << d.text;
    EXPECT_EQ(get_output(r.session, 0).as<float>(), std::vector<float>(static_cast<size_t>(n), 3.0F));
  }
  for (const int64_t n : {int64_t{1100}, int64_t{1} << 40, int64_t{1} << 62}) {
    expand(n);
    const Error e = r.session.run(&d);
    EXPECT_TRUE(e == Error::OutOfMemory || e == Error::ShapeOutOfBounds || e == Error::LimitExceeded) << n << ": " << error_name(e);
    EXPECT_FALSE(std::string(d.text).empty());
  }
  expand(-4);
  EXPECT_NE(r.session.run(&d), Error::Ok);
  expand(5);
  EXPECT_EQ(r.session.run(&d), Error::Ok) << d.text;  // an error does not spoil the session
}

TEST(Pool, WithoutOneTheEntryIsRefusedWithAdvice) {
  try {
    Loaded l(expand_file());
    FAIL() << "made a session without a pool";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("pool"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace gf::test
