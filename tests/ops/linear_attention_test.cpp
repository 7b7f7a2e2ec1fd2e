// linear_attention: golden values (make_linear_attention_goldens.py: the specification's formulas in float64) with 1, 3
// and 4 threads, a sequence cut into single steps, and every wrong input as an error that says what is wrong.
#include "ops/cpu/table.h"
#include "tests/ops/golden_cases.h"

namespace gf::test {
namespace {

Tables portable() {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::portable_kernels());
  return tables;
}
const OpDef& kOp = op_def<op::LinearAttention>;

TEST(LinearAttention, Golden) {
  const json cases = golden_cases("linear_attention");
  ASSERT_EQ(cases.size(), 37U);
  const Tables tables = portable();
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i) + " " + cases[i]["attrs"].dump());
    EvaluateOptions options;
    options.outputs = 2;
    const Attributes attributes = to_attributes(cases[i]["attrs"]);
    const auto outputs = evaluate(kOp, attributes, inputs_of(cases[i]), tables, options);
    for (size_t o = 0; o < 2; ++o)
      EXPECT_TRUE(close(outputs[o], to_tensor(cases[i]["outputs"][o]), cases[i]["rtol"], cases[i]["atol"])) << "output " << o;
    for (const int threads : {3, 4}) {
      RoughParallel rough{threads};
      options.parallel = rough.get();
      EXPECT_EQ(evaluate(kOp, attributes, inputs_of(cases[i]), tables, options), outputs) << threads << " threads change the result";
    }
  }
}

// Decoding token by token with the state handed on is the same computation as the whole sequence at once (float64: the
// state is not rounded in between).
TEST(LinearAttention, StepsEqualTheSequence) {
  const Tables tables = portable();
  std::vector<double> numbers(2 * 4 * 6);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<double>(i) * 1.7) / 2;
  const HostTensor x = tensor(DType::F64, {2, 4, 6}, numbers);
  std::vector<double> rates(2 * 4 * 2);
  for (size_t i = 0; i < rates.size(); ++i) rates[i] = -0.1 * static_cast<double>(i % 5);
  const auto cut = [](const HostTensor& t, int64_t step) {
    std::vector<double> part;
    const int64_t width = t.shape[2];
    for (int64_t b = 0; b < t.shape[0]; ++b)
      for (int64_t k = 0; k < width; ++k) {
        double v = 0;
        std::memcpy(&v, t.data.data() + static_cast<size_t>((b * t.shape[1] + step) * width + k) * sizeof v, sizeof v);
        part.push_back(v);
      }
    return tensor(DType::F64, {t.shape[0], 1, width}, part);
  };
  const HostTensor gate = tensor(DType::F64, {2, 4, 2}, rates);
  const Attributes attributes{{"q_heads", 2}, {"kv_heads", 2}, {"rule", 3}};
  EvaluateOptions options;
  options.outputs = 2;
  const auto whole = evaluate(kOp, attributes, {x, x, x, std::nullopt, gate, gate}, tables, options);
  std::optional<HostTensor> state;
  for (int64_t t = 0; t < 4; ++t) {
    const HostTensor part = cut(x, t), rate = cut(gate, t);
    const auto one = evaluate(kOp, attributes, {part, part, part, state, rate, rate}, tables, options);
    EXPECT_EQ(one[0], cut(whole[0], t)) << "step " << t;
    state = one[1];
  }
  EXPECT_EQ(*state, whole[1]);
}

TEST(LinearAttention, WrongInputs) {
  const auto zeros = [](std::vector<int64_t> shape, DType type = DType::F32) {
    return HostTensor::zeros(type, std::move(shape));
  };
  const auto x = zeros({1, 3, 8});
  const Attributes heads{{"q_heads", 2}, {"kv_heads", 2}};
  const auto with_rule = [](int rule) { return Attributes{{"q_heads", 2}, {"kv_heads", 2}, {"rule", rule}}; };
  using Op = op::LinearAttention;
  expect_error<Op>(Error::BadAttribute, "3 query heads are no multiple of 2", {x, x, x}, {{"q_heads", 3}, {"kv_heads", 2}});
  expect_error<Op>(Error::BadAttribute, "kv_heads", {x, x, x}, {{"kv_heads", 0}});
  expect_error<Op>(Error::BadAttribute, "rule", {x, x, x}, {{"rule", 4}});
  expect_error<Op>(Error::ShapeMismatch, "8 columns of input 0 do not divide by 3 heads", {x, x, x}, {{"q_heads", 3}});
  expect_error<Op>(Error::ShapeMismatch, "q and k differ in size", {x, zeros({1, 3, 6}), x}, heads);
  expect_error<Op>(Error::ShapeMismatch, "differ in length", {x, x, zeros({1, 4, 8})}, heads);
  expect_error<Op>(Error::ShapeMismatch, "differ in batch", {x, zeros({2, 3, 8}), x}, heads);
  expect_error<Op>(Error::TypeMismatch, "", {x, x, zeros({1, 3, 8}, DType::F16)}, heads);
  expect_error<Op>(Error::ShapeMismatch, "past state", {x, x, x, zeros({1, 2, 4, 5})}, heads);
  expect_error<Op>(Error::InvalidArgument, "needs the input decay", {x, x, x}, with_rule(1));
  expect_error<Op>(Error::InvalidArgument, "does not take the input decay", {x, x, x, std::nullopt, zeros({1, 3, 2})}, heads);
  expect_error<Op>(Error::InvalidArgument, "needs the input beta", {x, x, x}, with_rule(2));
  expect_error<Op>(Error::ShapeMismatch, "decay has 3 columns, must have 2 or 8", {x, x, x, std::nullopt, zeros({1, 3, 3})}, with_rule(1));
  expect_error<Op>(Error::ShapeMismatch, "beta has 4 columns, must have 2 or 1",
                   {x, x, x, std::nullopt, std::nullopt, zeros({1, 3, 4})}, with_rule(2));
}

}  // namespace
}  // namespace gf::test
