// Gradients through if and loop, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

constexpr NoAttrs kNone{};

ir::Block branch(GradNet& n, const std::function<std::vector<ir::ValueId>(ir::Builder&)>& make) {
  ir::Block block;
  ir::Builder b(n.entry, block);
  block.outputs = make(b);
  return block;
}
std::vector<ir::Block> both(ir::Block yes, ir::Block no) {
  std::vector<ir::Block> blocks;
  blocks.push_back(std::move(yes));
  blocks.push_back(std::move(no));
  return blocks;
}
ir::ValueId condition(GradNet& n, bool yes) {
  io::Array a = io::Array::zeros(DType::Bool, {});
  a.data[0] = static_cast<std::byte>(yes);
  return n.given({}, std::move(a));
}

TEST(Gradcheck, If) {
  for (const bool yes : {false, true})
    expect_gradients([yes](GradNet& n) {
      const auto c = condition(n, yes), x = n.x({2, 3}), y = n.x({2, 3}), z = n.x({3});
      // one branch reads z and not y, the other the other way round; one gives x itself
      auto first = branch(n, [&](ir::Builder& b) {
        return std::vector<ir::ValueId>{b.add<op::Tanh>({b.add<op::Mul>({x, z})}), b.add<op::Exp>({x})};
      });
      auto second = branch(n, [&](ir::Builder& b) {
        return std::vector<ir::ValueId>{b.add<op::Mul>({x, b.add<op::Sin>({y})}), x};
      });
      const auto results = n.b.add_node(op_def<op::If>, {c}, &kNone, 2, both(std::move(first), std::move(second))).outputs;
      n.y(n.b.add<op::Mul>({results[0], x}));
      n.y(results[1]);
    }, second_order());
}

TEST(Gradcheck, IfWithBranchesOfOtherShapesAndInside) {
  for (const bool yes : {false, true})
    for (const bool inner : {false, true})
      expect_gradients([&](GradNet& n) {
        const auto c = condition(n, yes), c2 = condition(n, inner), x = n.x({4, 3});
        auto first = branch(n, [&](ir::Builder& b) {
          auto a = branch(n, [&](ir::Builder& in) { return std::vector<ir::ValueId>{in.add<op::Mul>({x, x})}; });
          auto d = branch(n, [&](ir::Builder& in) { return std::vector<ir::ValueId>{in.add<op::Sin>({x})}; });
          return b.add_node(op_def<op::If>, {c2}, &kNone, 1, both(std::move(a), std::move(d))).outputs;
        });
        auto second = branch(n, [&](ir::Builder& b) {
          return std::vector<ir::ValueId>{b.add<op::Slice>({b.add<op::Exp>({x}), b.ints({1}), b.ints({3}), b.ints({0})})};
        });
        const auto r = n.b.add_node(op_def<op::If>, {c}, &kNone, 1, both(std::move(first), std::move(second))).outputs[0];
        n.y(square_sum(n, r));
      });
}

TEST(Gradcheck, Loop) {
  for (const int64_t rounds : {1, 3})
    expect_gradients([rounds](GradNet& n) {
      const auto x = n.x({2, 2}), w = n.x({2, 2}, -1, 1);
      ir::Block body;
      body.inputs = {n.entry.add_value({}), n.entry.add_value({}), n.entry.add_value({})};
      const auto declare = [&](size_t k, DType type, ir::ValueId like) {
        ir::Value& v = n.entry.value(body.inputs[k]);
        v.dtype = type;
        v.shape_known = true;
        if (like != ir::kNoValue) v.shape = n.b.shape(like);
      };
      declare(0, DType::I64, ir::kNoValue);
      declare(1, DType::Bool, ir::kNoValue);
      declare(2, DType::F64, x);
      ir::Builder b(n.entry, body);
      const auto round = b.cast(body.inputs[0], DType::F64);
      const auto next = b.add<op::Tanh>({b.add<op::Add>({b.add<op::MatMul>({body.inputs[2], w}), round})});
      body.outputs = {body.inputs[1], next, b.add<op::Mul>({next, next})};
      std::vector<ir::Block> blocks;
      blocks.push_back(std::move(body));
      const auto r = n.b.add_node(op_def<op::Loop>, {n.b.int_scalar(rounds), ir::kNoValue, x}, &kNone, 2, std::move(blocks)).outputs;
      n.y(r[0]);
      n.y(r[1]);
    }, second_order());
}

TEST(Gradcheck, LoopOfAnyNumberOfRoundsIsRefused) {
  GradNet n;
  const auto x = n.x({2}), rounds = n.indices({}, {2});
  ir::Block body;
  for (const DType type : {DType::I64, DType::Bool, DType::F64}) {
    ir::Value v;
    v.dtype = type;
    v.shape_known = true;
    if (type == DType::F64) v.shape = n.b.shape(x);
    body.inputs.push_back(n.entry.add_value(v));
  }
  ir::Builder b(n.entry, body);
  body.outputs = {body.inputs[1], b.add<op::Mul>({body.inputs[2], body.inputs[2]})};
  std::vector<ir::Block> blocks;
  blocks.push_back(std::move(body));
  n.y(n.b.add_node(op_def<op::Loop>, {rounds, ir::kNoValue, x}, &kNone, 1, std::move(blocks)).outputs[0]);
  try {
    (void)gradcheck(n.model, n.values);
    ADD_FAILURE() << "no error";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("whose number of rounds is not a constant"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace gf::test
