// Recomputation under a memory budget: what is computed again, and what may not be.
#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;

// a = w x waits for its reader behind a peak of memory; w, a State, becomes w + x before or after that reader.
struct Waiting : Net {
  explicit Waiting(bool replaced_early) {
    const auto x = input("x", {1024});
    model.states.push_back({"w", DType::F32, {1024}, ir::make_splat(DType::F32, {1024}, std::as_bytes(std::span(&kTwo, 1)))});
    ir::Value v;
    v.name = "w";
    v.dtype = DType::F32;
    v.shape.push(1024);
    v.shape_known = true;
    v.state = 0;
    const auto w = entry.add_value(std::move(v)), a = b.add<op::Mul>({w, x});
    if (replaced_early) replace(w, x);
    const auto peak = b.add<op::Add>({b.add<op::Exp>({x}), b.add<op::Sin>({x})});
    const auto sum = b.add<op::ReduceSum>({peak}, {.keepdims = false});
    output("y", b.add<op::ReduceSum>({b.add<op::Mul>({a, sum})}, {.keepdims = false}));
    if (!replaced_early) replace(w, x);
  }
  void replace(ValueId w, ValueId x) { b.node<op::Identity>({b.add<op::Add>({w, x})}).writes_state = 0; }
  static constexpr float kTwo = 2;
};

std::vector<float> answers(Net& n) {
  Model model = Model::from_bytes(emit(n.model));
  std::vector<float> y;
  for (uint64_t run = 0; run < 3; ++run) {
    fill_random<float>(model.input<float>("x"), run + 1, -1, 1);
    model.run();
    y.push_back(model.output<float>("y")[0]);
  }
  return y;
}

void expect_products(bool replaced_early, int products) {
  SCOPED_TRACE(replaced_early);
  Waiting plain(replaced_early), tight(replaced_early);
  PassOptions options;
  options.exact = true;
  options.memory_budget = 1;
  (void)recompute_for_memory(tight.model, options);
  ir::check(tight.model);
  EXPECT_EQ(op_counts(tight.model)["mul"], products);
  EXPECT_EQ(answers(tight), answers(plain));
}

TEST(Recompute, InFrontOfItsReader) { expect_products(false, 3); }
// Made again behind the replacement, w x would be another product; the loader refuses such a file.
TEST(Recompute, NothingThatReadsAStateThatWasReplaced) { expect_products(true, 2); }

}  // namespace
}  // namespace gf::test
