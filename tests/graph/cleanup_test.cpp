// Clean-ups: equal nodes become one, also where rules wrote the same number down twice; named constants stay apart.
#include "graph/ir/copy.h"
#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

TEST(Cleanup, EqualNumbersMakeEqualNodes) {
  const auto c = optimised(
      [](Net& n) {
        const auto x = n.input("x", {3});
        const auto a = n.b.add<op::Add>({x, n.number(2)}), b = n.b.add<op::Add>({x, n.number(2)}), other = n.b.add<op::Add>({x, n.number(3)});
        n.output("y", n.b.add<op::Mul>({n.b.add<op::Mul>({a, b}), other}));
      },
      {merge_common});
  EXPECT_EQ(count_of(c, "add"), 2);
}

TEST(Cleanup, NamedConstantsStayApart) {
  const auto c = optimised(
      [](Net& n) {
        const auto x = n.input("x", {3});
        const auto named = [&](const char* name) { return n.entry.add_constant(ir::make_floats(std::vector<float>{1, 2, 3}, {3}), name); };
        n.output("y", n.b.add<op::Mul>({n.b.add<op::Add>({x, named("a")}), n.b.add<op::Add>({x, named("b")})}));
      },
      {merge_common});
  EXPECT_EQ(count_of(c, "add"), 2);
}

TEST(Graph, CopiesAreIndependent) {
  Net n;
  const auto x = n.input("x", {n.symbol("N"), 3});
  n.model.states.push_back({"s", DType::F32, {3}, nullptr});
  n.output("y", n.b.add<op::Tanh>({n.b.add<op::MatMul>({x, n.weights({3, 3})})}));
  const std::string before = ir::to_text(n.entry);
  ir::Model other = ir::copy(n.model);
  ir::check(other);
  EXPECT_EQ(ir::to_text(*other.entries[0]), before);
  EXPECT_EQ(emit(other), emit(n.model));
  other.entries[0]->body.nodes.pop_back();
  other.entries[0]->value(x).name = "z";
  EXPECT_EQ(ir::to_text(n.entry), before);
}

}  // namespace
}  // namespace gf::test
