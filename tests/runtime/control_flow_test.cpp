// needs: GF_CONVERTER GF_OPS_CPU
// If and Loop in a session: branches, loops that count, stop, carry, stack and grow, one inside the other. Expected values
// are worked out by hand; the ONNX cases at the end bring their own.
#include "schema/ops/add.h"
#include "schema/ops/concat.h"
#include "schema/ops/identity.h"
#include "schema/ops/if.h"
#include "schema/ops/less.h"
#include "schema/ops/loop.h"
#include "schema/ops/mul.h"
#include "tests/runtime/session_support.h"
#include "tests/support/compare.h"

namespace gf::test {
namespace {

using Floats = std::vector<float>;
const NoAttrs kNone;

HostTensor floats(Floats v) { return HostTensor::from<float>(v); }
HostTensor flag(bool v) {
  HostTensor t = HostTensor::zeros(DType::Bool, {});
  t.data[0] = static_cast<std::byte>(v ? 1 : 0);
  return t;
}
HostTensor count(int64_t v) { return HostTensor::from<int64_t>(std::vector<int64_t>{v}, {}); }

ir::ValueId number(ir::Entry& e, float v) { return e.add_constant(ir::make_floats(std::vector<float>{v}, {})); }
ir::ValueId yes(ir::Entry& e) {
  const std::byte one{1};
  return e.add_constant(ir::make_constant(DType::Bool, {}, {one}));
}

struct Body {
  ir::Block block;
  ir::ValueId round = ir::kNoValue, go_on = ir::kNoValue;
};
Body loop_body(ir::Entry& e) {
  Body b;
  ir::Value round, go_on;
  round.dtype = DType::I64;
  round.shape_known = true;
  go_on.dtype = DType::Bool;
  go_on.shape_known = true;
  b.round = e.add_value(std::move(round));
  b.go_on = e.add_value(std::move(go_on));
  b.block.inputs = {b.round, b.go_on};
  return b;
}
ir::ValueId carried(ir::Entry& e, Body& b, DType dtype, const DimShape& shape, bool known = true) {
  ir::Value v;
  v.dtype = dtype;
  v.shape = shape;
  v.shape_known = known;
  b.block.inputs.push_back(e.add_value(std::move(v)));
  return b.block.inputs.back();
}
ir::ValueId in_block(ir::Entry& e, ir::Block& block, const OpDef& def, std::vector<ir::ValueId> inputs, const void* attrs = &kNone) {
  return ir::Builder(e, block).add_node(def, std::move(inputs), attrs).outputs[0];
}
std::vector<ir::Block> blocks(ir::Block a) {
  std::vector<ir::Block> v;
  v.push_back(std::move(a));
  return v;
}
std::vector<ir::Block> blocks(ir::Block a, ir::Block b) {
  auto v = blocks(std::move(a));
  v.push_back(std::move(b));
  return v;
}

// y = flag ? x + x : x * 10
std::vector<std::byte> if_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto c = e.add_input("flag", DType::Bool, {});
    const auto x = e.add_input("x", DType::F32, shape_of({3}));
    ir::Block then_block, else_block;
    then_block.outputs = {in_block(e, then_block, op_def<op::Add>, {x, x})};
    else_block.outputs = {in_block(e, else_block, op_def<op::Mul>, {x, number(e, 10)})};
    ir::Builder b(e, e.body);
    const ir::Node& n = b.add_node(op_def<op::If>, {c}, &kNone, 1, blocks(std::move(then_block), std::move(else_block)));
    e.value(n.outputs[0]).name = "y";
    e.body.outputs = {n.outputs[0]};
  });
}

TEST(ControlFlow, IfRunsOneBranch) {
  Loaded l(if_file());
  Running r(l);
  const Named x{{"x", floats({1, 2, 3})}};
  set_input(r.session, "flag", flag(true));
  EXPECT_EQ(run(r.session, x)[0].as<float>(), (Floats{2, 4, 6}));
  set_input(r.session, "flag", flag(false));
  EXPECT_EQ(run(r.session, x)[0].as<float>(), (Floats{10, 20, 30}));
}

// acc = acc + x while acc[0] < 10, at most n times; also stacks every acc that a round starts with
std::vector<std::byte> loop_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto n = e.add_input("n", DType::I64, {});
    const auto x = e.add_input("x", DType::F32, shape_of({1}));
    Body body = loop_body(e);
    const auto acc = carried(e, body, DType::F32, shape_of({1}));
    const auto next = in_block(e, body.block, op_def<op::Add>, {acc, x});
    const auto less = in_block(e, body.block, op_def<op::Less>, {next, e.add_constant(ir::make_floats(std::vector<float>{10}, {1}))});
    const auto scalar = ir::Builder(e, body.block).reshape(less, std::vector<int64_t>{});
    const auto stacked = in_block(e, body.block, op_def<op::Identity>, {acc});
    body.block.outputs = {scalar, next, stacked};
    ir::Builder b(e, e.body);
    const ir::Node& loop = b.add_node(op_def<op::Loop>, {n, yes(e), x}, &kNone, 2, blocks(std::move(body.block)));
    e.value(loop.outputs[0]).name = "last";
    e.value(loop.outputs[1]).name = "all";
    e.body.outputs = {loop.outputs[0], loop.outputs[1]};
  });
}

TEST(ControlFlow, LoopStopsByCountOrCondition) {
  Loaded l(loop_file(), Loaded::with({}, 1 << 16));
  Running r(l);
  const auto result = [&](int64_t n, float x) { return run(r.session, {{"n", count(n)}, {"x", floats({x})}}); };
  auto out = result(3, 1);
  EXPECT_EQ(out[0].as<float>(), (Floats{4}));
  EXPECT_EQ(out[1].as<float>(), (Floats{1, 2, 3}));
  EXPECT_EQ(out[1].shape, (std::vector<int64_t>{3, 1}));
  out = result(100, 3);
  EXPECT_EQ(out[0].as<float>(), (Floats{12}));  // 3, 6, 9, 12: the third round says stop
  EXPECT_EQ(out[1].as<float>(), (Floats{3, 6, 9}));
  out = result(0, 5);
  EXPECT_EQ(out[0].as<float>(), (Floats{5}));
  EXPECT_EQ(out[1].shape, (std::vector<int64_t>{0, 1}));
  out = result(-7, 5);
  EXPECT_EQ(out[0].as<float>(), (Floats{5}));
  out = result(1, 5);
  EXPECT_EQ(out[1].as<float>(), (Floats{5}));
}

TEST(ControlFlow, LoopLimitIsAnErrorNotAnAnswer) {
  LoadOptions load;
  load.limits.loop_trips = 2;
  Loaded l(loop_file(), Loaded::with({}, 1 << 16), default_tables(), load);
  Running r(l);
  EXPECT_EQ(run(r.session, {{"n", count(2)}, {"x", floats({1})}})[0].as<float>(), (Floats{3}));
  try {
    run(r.session, {{"n", count(3)}, {"x", floats({1})}});
    FAIL() << "three rounds ran with a limit of two";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::BadData) << e.what();
  }
  EXPECT_EQ(run(r.session, {{"n", count(2)}, {"x", floats({1})}})[0].as<float>(), (Floats{3}));  // and the session still works
}

// The carried value grows by one element each round: s = s ++ s[last] + 1
std::vector<std::byte> growing_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto n = e.add_input("n", DType::I64, {});
    const auto x = e.add_input("x", DType::F32, shape_of({1}));
    Body body = loop_body(e);
    const Dim length = e.symbols.fresh(0, kUnbounded);
    const auto s = carried(e, body, DType::F32, shape_of({length}));
    const auto more = in_block(e, body.block, op_def<op::Concat>, {s, x}, [] {
      static const op::Concat::Attrs attrs{};
      return &attrs;
    }());
    const auto go_on = in_block(e, body.block, op_def<op::Identity>, {body.go_on});
    body.block.outputs = {go_on, more};
    ir::Builder b(e, e.body);
    const ir::Node& loop = b.add_node(op_def<op::Loop>, {n, ir::kNoValue, x}, &kNone, 1, blocks(std::move(body.block)));
    e.value(loop.outputs[0]).name = "s";
    e.body.outputs = {loop.outputs[0]};
  });
}

TEST(ControlFlow, CarriedShapeMayGrowInThePool) {
  Loaded l(growing_file(), Loaded::with({}, 1 << 12));
  Running r(l);
  for (const int64_t n : {4, 0, 9, 1}) {
    const auto out = run(r.session, {{"n", count(n)}, {"x", floats({2})}});
    EXPECT_EQ(out[0].as<float>(), Floats(static_cast<size_t>(n) + 1, 2.0F)) << n;
  }
  set_input(r.session, "n", count(100000));  // more than 4 kB of floats
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::OutOfMemory) << d.text;
  EXPECT_NE(std::string(d.text).find("pool"), std::string::npos) << d.text;
  EXPECT_EQ(run(r.session, {{"n", count(2)}})[0].as<float>(), (Floats{2, 2, 2}));
}

// for i in 0..n: for j in 0..m: acc += flag ? 1 : 100
std::vector<std::byte> nested_file() {
  return emit_graph([](ir::Model&, ir::Entry& e) {
    const auto n = e.add_input("n", DType::I64, {});
    const auto m = e.add_input("m", DType::I64, {});
    const auto c = e.add_input("flag", DType::Bool, {});
    const auto start = e.add_input("start", DType::F32, {});
    Body outer = loop_body(e), inner = loop_body(e);
    const auto outer_acc = carried(e, outer, DType::F32, {}), acc = carried(e, inner, DType::F32, {});
    ir::Block one, hundred;
    one.outputs = {in_block(e, one, op_def<op::Add>, {acc, number(e, 1)})};
    hundred.outputs = {in_block(e, hundred, op_def<op::Add>, {acc, number(e, 100)})};
    ir::Builder in_inner(e, inner.block);
    const auto chosen = in_inner.add_node(op_def<op::If>, {c}, &kNone, 1, blocks(std::move(one), std::move(hundred))).outputs[0];
    const auto inner_go = in_block(e, inner.block, op_def<op::Identity>, {inner.go_on});
    const auto inner_next = in_block(e, inner.block, op_def<op::Identity>, {chosen});
    inner.block.outputs = {inner_go, inner_next};
    ir::Builder in_outer(e, outer.block);
    const auto inner_last = in_outer.add_node(op_def<op::Loop>, {m, ir::kNoValue, outer_acc}, &kNone, 1, blocks(std::move(inner.block))).outputs[0];
    const auto outer_go = in_block(e, outer.block, op_def<op::Identity>, {outer.go_on});
    const auto outer_next = in_block(e, outer.block, op_def<op::Identity>, {inner_last});
    outer.block.outputs = {outer_go, outer_next};
    ir::Builder b(e, e.body);
    const ir::Node& loop = b.add_node(op_def<op::Loop>, {n, ir::kNoValue, start}, &kNone, 1, blocks(std::move(outer.block)));
    e.value(loop.outputs[0]).name = "sum";
    e.body.outputs = {loop.outputs[0]};
  });
}

TEST(ControlFlow, LoopsAndBranchesNest) {
  Loaded l(nested_file());
  Running r(l);
  const auto sum = [&](int64_t n, int64_t m, bool f) {
    return run(r.session, {{"n", count(n)}, {"m", count(m)}, {"flag", flag(f)}, {"start", HostTensor::from<float>(Floats{0.5F}, {})}})[0].as<float>()[0];
  };
  EXPECT_EQ(sum(3, 4, true), 12.5F);
  EXPECT_EQ(sum(3, 4, false), 1200.5F);
  EXPECT_EQ(sum(0, 4, true), 0.5F);
  EXPECT_EQ(sum(5, 0, true), 0.5F);
}

// The official node tests of control flow (those without sequences or growing values).
TEST(ControlFlow, OnnxNodeTests) {
  GF_SKIP_WITHOUT_DATA("onnx-backend/node");
  for (const char* name : {"test_if", "test_scan9_sum", "test_range_float_type_positive_delta_expanded", "test_range_int32_type_negative_delta_expanded"}) {
    if (!has_data(std::string("onnx-backend/node/") + name)) continue;
    const TestNet net = read_net(data_path(std::string("onnx-backend/node/") + name));
    Loaded l(convert_net(net), Loaded::with({}, 1 << 20));
    Running r(l);
    for (size_t set = 0; set < net.inputs.size(); ++set) {
      const auto out = run(r.session, net.inputs[set]);
      for (size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(out[i].shape, net.expected[set][i].shape) << name;
        EXPECT_TRUE(all_close(out[i].as<double>(), net.expected[set][i].as<double>(), {.relative = 1e-3, .absolute = 1e-7})) << name;
      }
    }
  }
}

}  // namespace
}  // namespace gf::test
