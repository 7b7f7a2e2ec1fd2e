// Fused chains: the same numbers as the ops one by one, and malformed programs refused.
#include "runtime/include/ghostflow/tables.h"
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

constexpr int64_t kNone = op::Pointwise::kNoOperand;

std::vector<float> ramp(size_t n, float step) {
  std::vector<float> v(n);
  for (size_t k = 0; k < n; ++k) v[k] = step * (static_cast<float>(k % 37) - 18.0F);
  return v;
}

template <class Op>
HostTensor portable(const HostInputs& inputs, const Attributes& attributes = {}) {
  EvaluateOptions options;
  options.kernel = "elementwise_portable";
  return evaluate(op_def<Op>, attributes, inputs, default_tables(), options)[0];
}

// y = clip(swish(x * scale + shift), -1, 2) + x with per-channel scale and a scalar shift, for each float type
TEST(Pointwise, EqualsTheOpsOneByOne) {
  const std::vector<int64_t> program{61, 0, 0,  1,      // t0 = x * scale
                                     11, 0, -1, 2,      // t1 = t0 + shift
                                     46, 0, -2, kNone,  // t2 = swish(t1), alpha = 1.5
                                     50, 1, -3, kNone,  // t3 = clip(t2)
                                     11, 0, -4, 0};     // t4 = t3 + x
  const Attributes attributes{{"program", program}, {"parameters", std::vector<float>{1.5F, -1.0F, 2.0F}}};
  for (const DType type : {DType::F32, DType::F16, DType::BF16}) {
    SCOPED_TRACE(dtype_name(type));
    const HostTensor x = tensor<float>(type, {40, 5, 7}, ramp(1400, 0.25F));
    const HostTensor scale = tensor<float>(type, {7}, ramp(7, 0.125F)), shift = tensor<float>(type, {}, {0.5F});
    const auto f = [](const HostTensor& t) { return run_one<op::Cast>({t}, {{"to", DType::F32}}); };
    HostTensor y = portable<op::Add>({portable<op::Mul>({f(x), f(scale)}), f(shift)});
    y = portable<op::Clip>({portable<op::Swish>({y}, {{"alpha", 1.5}})}, {{"min", -1.0}, {"max", 2.0}});
    y = run_one<op::Cast>({portable<op::Add>({y, f(x)})}, {{"to", type}});
    for (const char* kernel : {"pointwise_portable", ""}) {
      EvaluateOptions options;
      options.kernel = kernel;
      const auto fused = evaluate(op_def<op::Pointwise>, attributes, {x, scale, shift}, default_tables(), options);
      EXPECT_TRUE(close(fused[0], y, type == DType::F32 ? 2e-6 : type == DType::F16 ? 1e-3 : 8e-3, 1e-6)) << kernel;
      RoughParallel rough;
      options.parallel = rough.get();
      options.inplace = true;
      EXPECT_EQ(evaluate(op_def<op::Pointwise>, attributes, {x, scale, shift}, default_tables(), options), fused) << kernel;
    }
  }
}

// m' = m * 0.5 + g, p' = p - m': p in one type, m in another, g in float32; each result in a type of its own, rounded once.
TEST(Pointwise, MixedTypesAreRoundedOnce) {
  const std::vector<int64_t> program{61, 0, 1, 3, 11, 0, -1, 2, 60, 0, 0, -2};  // mul, add, sub
  const auto cast = [](const HostTensor& t, DType to) { return run_one<op::Cast>({t}, {{"to", to}}); };
  const auto whole = [](DType to) { return static_cast<int64_t>(to); };
  for (const DType p_type : {DType::F32, DType::F16, DType::BF16})
    for (const DType m_type : {DType::F32, DType::F16, DType::BF16}) {
      SCOPED_TRACE(std::string(dtype_name(p_type)) + ", " + dtype_name(m_type));
      const HostTensor p = tensor<float>(p_type, {3, 701}, ramp(2103, 0.25F)), m = tensor<float>(m_type, {3, 701}, ramp(2103, 0.0371F));
      const HostTensor g = f32({3, 701}, ramp(2103, 0.01F)), half = f32({}, {0.5F});
      const HostTensor sum = portable<op::Add>({portable<op::Mul>({cast(m, DType::F32), half}), g});
      const HostTensor next = portable<op::Sub>({cast(p, DType::F32), sum});
      const Attributes attributes{{"program", program}, {"parameters", std::vector<float>{}}, {"results", std::vector<int64_t>{2, 1}},
                                  {"types", std::vector<int64_t>{whole(p_type), whole(m_type)}}};
      for (const char* kernel : {"pointwise_portable", ""}) {
        EvaluateOptions options;
        options.kernel = kernel;
        options.outputs = 2;
        options.isa = machine_isa();
        const auto fused = evaluate(op_def<op::Pointwise>, attributes, {p, m, g, half}, default_tables(), options);
        EXPECT_EQ(fused[0], cast(next, p_type)) << kernel;
        EXPECT_EQ(fused[1], cast(sum, m_type)) << kernel;
        RoughParallel rough;
        options.parallel = rough.get();
        options.inplace = true;
        EXPECT_EQ(evaluate(op_def<op::Pointwise>, attributes, {p, m, g, half}, default_tables(), options), fused) << kernel;
      }
    }
  const HostTensor x = f32({2}, {1, 2}), y = tensor<float>(DType::F64, {2}, {1, 2});
  const std::vector<int64_t> add{11, 0, 0, 1};
  const auto refuse = [&](Error code, const char* part, const HostTensor& other, std::vector<int64_t> types) {
    expect_error<op::Pointwise>(code, part, {x, other}, {{"program", add}, {"types", std::move(types)}});
  };
  refuse(Error::TypeMismatch, "", y, {1});
  refuse(Error::BadAttribute, "types has 2 entries for 1 results", x, {1, 1});
  refuse(Error::BadAttribute, "only float32, float16 and bfloat16 mix", x, {2});
  refuse(Error::BadAttribute, "only float32", x, {-1});
  refuse(Error::BadAttribute, "only float32", x, {260});
  refuse(Error::TypeMismatch, "", tensor<float>(DType::BF16, {2}, {1, 2}), {});
}

TEST(Pointwise, LongChainsReuseTheirSlots) {
  std::vector<int64_t> program{10, 0, 0, kNone};  // exp
  for (int64_t k = 1; k < 32; ++k) program.insert(program.end(), {11, 0, -k, 0});
  const HostTensor x = f32({3}, {0, 0, 0});
  EXPECT_EQ(run_one<op::Pointwise>({x}, {{"program", program}}), f32({3}, {1, 1, 1}));
}

TEST(Pointwise, RefusesMalformedPrograms) {
  const HostTensor x = f32({2}, {1, 2});
  const auto refuse = [&](Error code, const char* part, std::vector<int64_t> program, std::vector<float> parameters = {}) {
    expect_error<op::Pointwise>(code, part, {x}, {{"program", std::move(program)}, {"parameters", std::move(parameters)}});
  };
  refuse(Error::BadAttribute, "0 words", {});
  refuse(Error::BadAttribute, "3 words", {10, 0, 0});
  refuse(Error::BadAttribute, "132 words", std::vector<int64_t>(132, 10));
  refuse(Error::BadAttribute, "op id", {-1, 0, 0, kNone});
  refuse(Error::BadAttribute, "op id", {int64_t{1} << 40, 0, 0, kNone});
  refuse(Error::BadAttribute, "operand 1", {10, 0, 1, kNone});
  refuse(Error::BadAttribute, "operand -1", {10, 0, -1, kNone});
  refuse(Error::BadAttribute, "operand", {10, 0, kNone, kNone});
  refuse(Error::BadAttribute, "parameter", {13, 2, 0, kNone}, {0.1F});
  refuse(Error::Unsupported, "parameters do not fit", {13, 1, 0, kNone}, {0.1F});
  refuse(Error::Unsupported, "no elementwise op", {150, 0, 0, kNone});
  refuse(Error::Unsupported, "no elementwise op", {12, 0, 0, 0});
  refuse(Error::Unsupported, "wrong number of operands", {11, 0, 0, kNone});
  refuse(Error::Unsupported, "wrong number of operands", {10, 0, 0, 0});
  refuse(Error::Unsupported, "parameters do not fit", {45, 0, 0, kNone}, {7.0F});  // gelu: approximate is 0 or 1
  std::vector<int64_t> wide;  // nine results that all live to the end
  for (int64_t k = 0; k < 9; ++k) wide.insert(wide.end(), {10, 0, 0, kNone});
  for (int64_t k = 0; k < 9; ++k) wide.insert(wide.end(), {11, 0, -1 - k, k == 0 ? 0 : -9 - k});
  refuse(Error::Unsupported, "too many intermediate results", wide);
}

}  // namespace
}  // namespace gf::test
