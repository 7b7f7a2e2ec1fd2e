// needs: GF_CONVERTER GF_OPS_CPU
// Bounded dynamic shapes: every size inside the bounds gives what a file made for exactly that size gives; everything else is
// an error. Values without a bound live in the pool.
#include "schema/ops/add.h"
#include "schema/ops/concat.h"
#include "schema/ops/div.h"
#include "schema/ops/expand.h"
#include "schema/ops/identity.h"
#include "schema/ops/nonzero.h"
#include "schema/ops/reshape.h"
#include "schema/ops/shape.h"
#include "schema/ops/space_to_depth.h"
#include "schema/ops/transpose.h"
#include "tests/runtime/gf_file_spec.h"
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

// --- upper bounds that are no legal sizes together: create plans by intervals, every run judges its own sizes

std::vector<HostTensor> run_fixed_unet(const HostTensor& image) {
  onnx::ImportOptions import;
  import.shapes["image"] = image.shape;
  Loaded fixed(convert_net(read_net(source_path("tests/golden/unet")), import));
  Running s(fixed);
  return run(s.session, {{"image", image}});
}

TEST(DynamicShapes, AUNetWithOddBoundsRunsAtEveryLegalSize) {
  Loaded l(convert_open_unet());
  Running r(l);
  const TestNet net = read_net(source_path("tests/golden/unet"));
  const auto golden = run(r.session, net.inputs[0]);
  ASSERT_EQ(golden[0].shape, net.expected[0][0].shape);
  EXPECT_TRUE(all_close(golden[0].as<float>(), net.expected[0][0].as<float>(), {.relative = 1e-3, .absolute = 1e-4}));
  constexpr int64_t kSizes[][3] = {{1, 16, 16}, {2, 32, 48}, {1, 32, 16}, {2, 16, 32}, {1, 16, 48}};
  for (const auto& [n, h, w] : kSizes) {
    const HostTensor image = unet_input(n, h, w);
    const auto out = run(r.session, {{"image", image}}), expected = run_fixed_unet(image);
    ASSERT_EQ(out[0].shape, (std::vector<int64_t>{n, 2, h, w}));
    EXPECT_TRUE(all_close(out[0].as<float>(), expected[0].as<float>(), {.relative = 1e-4, .absolute = 1e-5})) << n << " x " << h << " x " << w;
  }
}

TEST(DynamicShapes, AnIllegalSizeOfTheUNetIsAnErrorThatNamesNodeAndSizes) {
  Loaded l(convert_open_unet());
  Running r(l);
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::ShapeMismatch) << "the upper bounds, which nobody has replaced yet";
  struct Illegal {
    int64_t height, width;
    const char *node, *what;
  };
  constexpr Illegal kIllegal[] = {{47, 51, "'concat_57'", "input 1 has length 4 on axis 1, input 0 has 5"},
                                  {17, 16, "'concat_81'", "input 1 has length 16 on axis 1, input 0 has 17"},
                                  {16, 40, "'concat_57'", "input 1 has length 4 on axis 2, input 0 has 5"},
                                  {32, 31, "'concat_57'", "input 1 has length 2 on axis 2, input 0 has 3"}};
  for (const auto& [h, w, node, what] : kIllegal) {
    d = ErrorDetail();
    const int64_t shape[] = {1, 3, h, w};
    ASSERT_EQ(r.session.set_input_shape(0, shape, &d), Error::Ok) << d.text;
    EXPECT_EQ(r.session.resolve(&d), Error::ShapeMismatch) << h << " x " << w;
    EXPECT_GE(d.node, 0);
    const std::string text = d.text;
    EXPECT_NE(text.find(node), std::string::npos) << text;
    EXPECT_NE(text.find(what), std::string::npos) << text;
    EXPECT_EQ(r.session.run(&d), Error::ShapeMismatch) << h << " x " << w;
    EXPECT_EQ(std::string(d.text), text);
  }
  const HostTensor image = unet_input(1, 16, 32);
  EXPECT_TRUE(all_close(run(r.session, {{"image", image}})[0].as<float>(), run_fixed_unet(image)[0].as<float>(), {.relative = 1e-4, .absolute = 1e-5}));
}

// Patches of 4 x 4 as vision nets cut them, written with the sizes that Shape gives; and by space_to_depth.
TEST(DynamicShapes, BoundsNeedNotBeMultiplesOfAPatch) {
  for (const bool by_shape : {true, false}) {
    Loaded l(emit_graph([&](ir::Model&, ir::Entry& e) {
      const auto x = e.add_input("x", DType::F32, shape_of({1, e.symbols.symbol("H", 1, 11), e.symbols.symbol("W", 1, 14), 1}));
      ir::Builder b(e, e.body);
      ir::ValueId y;
      if (by_shape) {
        const auto rows = b.add<op::Div>({b.add<op::ShapeOf>({x}, {.start = 1, .end = 2}), b.ints({4})});
        const auto cols = b.add<op::Div>({b.add<op::ShapeOf>({x}, {.start = 2, .end = 3}), b.ints({4})});
        const auto cut = b.add<op::Reshape>({x, b.add<op::Concat>({b.ints({1}), rows, b.ints({4}), cols, b.ints({4, 1})})});
        static constexpr int64_t kPerm[] = {0, 1, 3, 2, 4, 5};
        const auto turned = b.add<op::Transpose>({cut}, {.perm = kPerm});
        y = b.add<op::Reshape>({turned, b.add<op::Concat>({b.ints({1}), rows, cols, b.ints({16})})});
      } else {
        y = b.add<op::SpaceToDepth>({x}, {.block = 4});
      }
      e.value(y).name = "y";
      e.body.outputs = {y};
    }));
    Running r(l);
    for (const auto& [h, w] : {std::pair<int64_t, int64_t>{8, 12}, {4, 4}, {8, 4}, {4, 12}}) {
      HostTensor x = HostTensor::zeros(DType::F32, {1, h, w, 1});
      std::vector<float> expected(static_cast<size_t>(h * w));
      for (int64_t i = 0; i < h; ++i)
        for (int64_t k = 0; k < w; ++k) {
          const auto value = static_cast<float>(i * w + k);
          x.view<float>()[static_cast<size_t>(i * w + k)] = value;
          expected[static_cast<size_t>(((i / 4) * (w / 4) + k / 4) * 16 + (i % 4) * 4 + k % 4)] = value;
        }
      const auto out = run(r.session, {{"x", x}})[0];
      EXPECT_EQ(out.shape, (std::vector<int64_t>{1, h / 4, w / 4, 16})) << by_shape;
      EXPECT_EQ(out.as<float>(), expected) << by_shape << ", " << h << " x " << w;
    }
    ErrorDetail d;
    const int64_t odd[] = {1, 6, 8, 1};
    ASSERT_EQ(r.session.set_input_shape(0, odd, &d), Error::Ok);
    EXPECT_EQ(r.session.run(&d), Error::ShapeMismatch);
    EXPECT_NE(std::string(d.text).find(by_shape ? "reshape" : "space_to_depth"), std::string::npos) << d.text;
    EXPECT_NE(std::string(d.text).find(by_shape ? "48" : "6"), std::string::npos) << d.text;
  }
}

TEST(DynamicShapes, WhatNoSizeInsideTheBoundsCanDoIsRefusedAtCreateWithThePlace) {
  const auto file = [](int64_t join, DimSpec out) {
    FileSpec f;
    f.ops = {{op::Concat::info.id, "concat"}, {op::Identity::info.id, "identity"}};
    EntrySpec e;
    e.symbols = {{"N", 2, 5}};
    const auto f32 = static_cast<uint8_t>(DType::F32);
    e.tensors = {{format::kInput, 0, 0, {{5, 0}, {1}}, f32, "x"},
                 {format::kInput, 1, 0, {{join}, {1}}, f32, "c"},
                 {format::kComputed, 0, 0, {{join}, {2}}},
                 {format::kComputed, 0, 0, {out, {1}}}};
    e.graphs = {{{{0, {0, 1}, {2}, {}, {{1, static_cast<uint8_t>(AttrType::Int), true, 1}}}, {1, {0}, {3}}}, {0, 1}, {2, 3}}};
    e.output_names = {"joined", "same"};
    f.entries = {e};
    return SpecWriter::write(f);
  };
  const auto error_of = [](const std::vector<std::byte>& bytes) -> std::string {
    try {
      Loaded l(bytes);
      return "";
    } catch (const Exception& e) {
      return e.what();
    }
  };
  EXPECT_EQ(error_of(file(3, {5, 0})), "");  // 5 is not 3, but N may be 3
  EXPECT_NE(error_of(file(7, {5, 0})).find("concat (node 0): input 1 has length 7 on axis 0"), std::string::npos) << error_of(file(7, {5, 0}));
  EXPECT_NE(error_of(file(3, {9})).find("identity (node 1): output: dimension 0 is at most 5, planned 9"), std::string::npos) << error_of(file(3, {9}));
  EXPECT_NE(error_of(file(3, {1, format::kDimExpression})).find("identity (node 1): output: dimension 0 is at least 2, planned at most 1"), std::string::npos);
  EXPECT_EQ(error_of(file(3, {3, format::kDimExpression})), "");  // a run with N = 4 will say so
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
