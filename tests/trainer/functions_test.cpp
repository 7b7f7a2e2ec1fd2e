// Functions of tensors and activations against PyTorch in float64 (data/functions.json, made by make_function_goldens.py), in float32.
#include <cmath>
#include <limits>

#include "schema/ops/compress.h"
#include "tests/support/expect_refused.h"
#include "tests/trainer/golden_cases.h"
#include "trainer/nn/activations.h"
#include "trainer/optim/optimizers.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/functions_linalg.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/functions_spectral.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

Call unary(Tensor (*f)(const Tensor&)) {
  return [f](Tensors& t) { return f(t.at("input")); };
}
Call binary(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](Tensors& t) { return f(t.at("input"), t.at("other")); };
}
/// A function of "x".
template <class F>
Call of_x(F f) {
  return [f](Tensors& t) { return f(t.at("x")); };
}

std::vector<Tensor> both_of_qr(const Tensor& x) {
  const QrResult r = qr(x);
  return {r.q, r.r};
}
std::vector<Tensor> all_of_svd(const Tensor& x) {
  const SvdResult r = svd(x);
  return {r.u, r.s, r.vh};
}
std::vector<Tensor> all_of_unique(const UniqueResult& r) { return {r.values, r.inverse, r.counts}; }
Tensor symmetric(const Tensor& x) { return (x + transpose(x, -2, -1)) * 0.5; }

const std::map<std::string, Call>& maths() {
  static const std::map<std::string, Call> calls = {
      {"neg", unary(neg)}, {"reciprocal", unary(reciprocal)}, {"square", unary(square)}, {"exp2", unary(exp2)}, {"sinh", unary(sinh)},
      {"cosh", unary(cosh)}, {"asinh", unary(asinh)}, {"atan", unary(atan)}, {"sign", unary(sign)}, {"tan", unary(tan)},
      {"trunc", unary(trunc)}, {"frac", unary(frac)}, {"floor", unary(floor)}, {"ceil", unary(ceil)}, {"rsqrt", unary(rsqrt)},
      {"log2", unary(log2)}, {"log10", unary(log10)}, {"asin", unary(asin)}, {"acos", unary(acos)}, {"atanh", unary(atanh)},
      {"acosh", unary(acosh)}, {"round", unary(round)},
      {"isnan", [](Tensors& t) { return isnan(1 / t["s"]); }},
      {"isinf", [](Tensors& t) { return isinf(1 / t["s"]); }},
      {"isfinite", [](Tensors& t) { return isfinite(1 / t["s"]); }},
      {"pow_number", of_x([](const Tensor& x) { return pow(x, 2.5); })},
      {"fmod", binary(fmod)}, {"remainder", binary(remainder)}, {"remainder_both", binary(remainder)},
      {"fmod_number", of_x([](const Tensor& x) { return fmod(x, -0.7); })},
      {"floor_divide", binary(floor_divide)},
      {"clamp", of_x([](const Tensor& x) { return clamp(x, -0.25, 0.5); })},
      {"clamp_min", of_x([](const Tensor& x) { return clamp(x, 0.1); })},
      {"clamp_ints", of_x([](const Tensor& x) { return clamp(x, -1, 2); })},
      {"lerp", [](Tensors& t) { return lerp(t["input"], t["end"], t["weight"]); }},
      {"fma", [](Tensors& t) { return fma(t["a"], t["b"], t["c"]); }},
      {"eq", binary(eq)}, {"ne", binary(ne)}, {"lt", binary(lt)}, {"le", binary(le)}, {"gt", binary(gt)}, {"ge", binary(ge)},
      {"logical_and", binary(logical_and)}, {"logical_or", binary(logical_or)}, {"logical_xor", binary(logical_xor)},
      {"logical_not", unary(logical_not)}, {"bitwise_and", binary(bitwise_and)}, {"bitwise_or", binary(bitwise_or)},
      {"bitwise_xor", binary(bitwise_xor)}, {"bitwise_left_shift", binary(bitwise_left_shift)},
      {"bitwise_right_shift", binary(bitwise_right_shift)}, {"bitwise_not", unary(bitwise_not)},
      {"amin", of_x([](const Tensor& x) { return amin(x, {0, 2}); })},
      {"prod", of_x([](const Tensor& x) { return prod(x, {1}); })},
      {"prod_all", of_x([](const Tensor& x) { return prod(x); })},
      {"var", of_x([](const Tensor& x) { return var(x, {0, 2}); })},
      {"var_biased", of_x([](const Tensor& x) { return var(x, {}, 0); })},
      {"std", of_x([](const Tensor& x) { return std_dev(x, {1}, 1, true); })},
      {"norm_0", of_x([](const Tensor& x) { return norm(x, 0, {1}); })},
      {"norm_1", of_x([](const Tensor& x) { return norm(x, 1, {1}); })},
      {"norm_2", of_x([](const Tensor& x) { return norm(x, 2, {1}); })},
      {"norm_3", of_x([](const Tensor& x) { return norm(x, 3, {1}); })},
      {"norm_inf", of_x([](const Tensor& x) { return norm(x, kInf, {1}); })},
      {"norm_-inf", of_x([](const Tensor& x) { return norm(x, -kInf, {1}); })},
      {"logsumexp", of_x([](const Tensor& x) { return logsumexp(x, {0, 1}); })},
      {"any", of_x([](const Tensor& x) { return any(x, {1}); })},
      {"all", of_x([](const Tensor& x) { return all(x, {1}); })},
      {"count_nonzero", of_x([](const Tensor& x) { return count_nonzero(x, {1}); })},
      {"argmin", of_x([](const Tensor& x) { return argmin(x, 1); })},
      {"cumsum", of_x([](const Tensor& x) { return cumsum(x, -1); })},
      {"cumprod", of_x([](const Tensor& x) { return cumprod(x, 1); })},
  };
  return calls;
}

const std::map<std::string, Call>& movement() {
  static const std::map<std::string, Call> calls = {
      {"gather", [](Tensors& t) { return gather(t["x"], 0, t["i"]); }},
      {"scatter", [](Tensors& t) { return scatter(t["x"], 1, t["i"], t["s"]); }},
      {"scatter_add", [](Tensors& t) { return scatter_add(t["x"], 1, t["i"], t["s"]); }},
      {"scatter_max", [](Tensors& t) { return scatter_reduce(t["x"], 1, t["i"], t["s"], ScatterReduction::Max); }},
      {"index_select", [](Tensors& t) { return index_select(t["x"], 1, t["i"]); }},
      {"index_add", [](Tensors& t) { return index_add(t["x"], 1, t["i"], t["s"]); }},
      {"select", of_x([](const Tensor& x) { return select(x, 1, -2); })},
      {"slice_step", of_x([](const Tensor& x) { return slice(x, 1, 0, 4, 2); })},
      {"masked_fill", [](Tensors& t) { return masked_fill(t["x"], ne(t["m"], 0), 7.5); }},
      {"nonzero", unary(nonzero)}, {"nonzero_none", unary(nonzero)},
      {"unique", of_x([](const Tensor& x) { return all_of_unique(unique(x)); })},
      {"unique_axis", of_x([](const Tensor& x) { return all_of_unique(unique(x, 1)); })},
      {"masked_select", [](Tensors& t) { return masked_select(t["x"], ne(t["m"], 0)); }},
      {"masked_select_wide", [](Tensors& t) { return masked_select(t["x"], ne(t["m"], 0)); }},
      {"sort", of_x([](const Tensor& x) { return sort(x); })},
      {"sort_descending", of_x([](const Tensor& x) { return sort(x, 0, true); })},
      {"argsort_stable", of_x([](const Tensor& x) { return argsort(x); })},
      {"topk", of_x([](const Tensor& x) { return topk(x, 2); })},
      {"topk_smallest", of_x([](const Tensor& x) { return topk(x, 2, 0, false); })},
      {"roll", of_x([](const Tensor& x) { return roll(x, {1, -3}, {0, 1}); })},
      {"roll_flat", of_x([](const Tensor& x) { return roll(x, {5}); })},
      {"flip", of_x([](const Tensor& x) { return flip(x, {0, 1}); })},
      {"tile", of_x([](const Tensor& x) { return tile(x, {2}); })},
      {"repeat", of_x([](const Tensor& x) { return repeat(x, {2, 1, 2}); })},
      {"repeat_interleave", of_x([](const Tensor& x) { return repeat_interleave(x, 2, 0); })},
      {"pad_constant", of_x([](const Tensor& x) { return pad(x, {1, 2, 2, 1}, PadMode::Constant, 1.5); })},
      {"pad_reflect", of_x([](const Tensor& x) { return pad(x, {1, 2, 2, 1}, PadMode::Reflect); })},
      {"pad_replicate", of_x([](const Tensor& x) { return pad(x, {1, 2, 2, 1}, PadMode::Edge); })},
      {"pad_circular", of_x([](const Tensor& x) { return pad(x, {1, 2, 2, 1}, PadMode::Wrap); })},
      {"pad_cut", of_x([](const Tensor& x) { return pad(x, {-1, 2}); })},
      {"tril", of_x([](const Tensor& x) { return tril(x, -1); })},
      {"triu", of_x([](const Tensor& x) { return triu(x, 1); })},
      {"diagonal", of_x([](const Tensor& x) { return diagonal(x, -1); })},
      {"diag_0", of_x([](const Tensor& x) { return diag(x); })},
      {"diag_1", of_x([](const Tensor& x) { return diag(x, 1); })},
      {"diag_-2", of_x([](const Tensor& x) { return diag(x, -2); })},
      {"diag_of_matrix", of_x([](const Tensor& x) { return diag(x, 1); })},
      {"one_hot", [](Tensors& t) { return one_hot(t["i"], 4); }},
      {"meshgrid", [](Tensors& t) { return meshgrid({t["a"], t["b"]}); }},
      {"meshgrid_xy", [](Tensors& t) { return meshgrid({t["a"], t["b"]}, true); }},
      {"chunk", of_x([](const Tensor& x) { return chunk(x, 3, 1); })},
      {"unbind", of_x([](const Tensor& x) { return unbind(x, 1); })},
      {"unflatten", of_x([](const Tensor& x) { return unflatten(x, 1, {2, -1}); })},
      {"flatten", of_x([](const Tensor& x) { return flatten(x, 0, 1); })},
      {"movedim", of_x([](const Tensor& x) { return movedim(x, 0, -1); })},
  };
  return calls;
}

const std::map<std::string, Call>& linalg_and_creation() {
  static const std::map<std::string, Call> calls = {
      {"bmm", [](Tensors& t) { return bmm(t["input"], t["mat2"]); }},
      {"mv", [](Tensors& t) { return mv(t["input"], t["vec"]); }},
      {"dot", [](Tensors& t) { return dot(t["input"], t["tensor"]); }},
      {"outer", [](Tensors& t) { return outer(t["input"], t["vec2"]); }},
      {"addmm", [](Tensors& t) { return addmm(t["c"], t["a"], t["b"], 0.5, 2); }},
      {"baddbmm", [](Tensors& t) { return baddbmm(t["c"], t["a"], t["b"]); }},
      {"einsum", [](Tensors& t) { return einsum("bij,bkj->bik", {t["a"], t["b"]}); }},
      {"einsum_dots", [](Tensors& t) { return einsum("...i,i->...", {t["a"], t["b"]}); }},
      {"det", unary(det)}, {"inverse", unary(inverse)}, {"trace", unary(trace)},
      {"solve", [](Tensors& t) { return solve(t["a"], t["b"]); }},
      {"cholesky", of_x([](const Tensor& x) { return cholesky(matmul(x, transpose(x, -2, -1)) + eye(3)); })},
      {"cholesky_upper", of_x([](const Tensor& x) { return cholesky(matmul(x, transpose(x, -2, -1)) + eye(3), true); })},
      {"qr_tall", of_x(both_of_qr)}, {"qr_wide", of_x(both_of_qr)}, {"qr_square", of_x(both_of_qr)},
      {"svd_tall", of_x(all_of_svd)}, {"svd_wide", of_x(all_of_svd)}, {"svd_square", of_x(all_of_svd)},
      {"eigh",
       of_x([](const Tensor& x) {
         const EighResult r = eigh(symmetric(x));
         return std::vector<Tensor>{r.values, r.vectors};
       })},
      {"eigenvalues", of_x([](const Tensor& x) { return eigh(symmetric(x)).values; })},
      {"singular_values", of_x([](const Tensor& x) { return svd(x).s; })},
      {"arange", [](Tensors&) { return arange(2, 11, 3); }},
      {"arange_floats", [](Tensors&) { return arange(0.5, -1, -0.25, DType::F32); }},
      {"linspace", [](Tensors&) { return linspace(-1, 2, 7); }},
      {"eye", [](Tensors&) { return eye(2, 3); }},
  };
  return calls;
}

std::vector<Tensor> three(Tensor (*window)(int64_t, bool)) { return {window(6, true), window(5, false), window(1, true)}; }

const std::map<std::string, Call>& transforms() {
  static const std::map<std::string, Call> calls = {
      {"fft", of_x([](const Tensor& x) { return fft(x); })},
      {"ifft", of_x([](const Tensor& x) { return ifft(x, 0); })},
      {"rfft", of_x([](const Tensor& x) { return rfft(x); })},
      {"rfft_axis", of_x([](const Tensor& x) { return rfft(x, 0); })},
      {"irfft", of_x([](const Tensor& x) { return irfft(x); })},
      {"irfft_odd", of_x([](const Tensor& x) { return irfft(x, 5); })},
      {"stft", [](Tensors& t) { return stft(t["x"], t["w"], 2); }},
      {"hann", [](Tensors&) { return three(hann_window); }},
      {"hamming", [](Tensors&) { return three(hamming_window); }},
      {"blackman", [](Tensors&) { return three(blackman_window); }},
  };
  return calls;
}

const std::map<std::string, Call>& activations() {
  using namespace nn;
  const auto input = [](auto f) -> Call { return [f](Tensors& t) { return f(t.at("input")); }; };
  static const std::map<std::string, Call> calls = {
      {"relu6", unary(relu6)}, {"selu", unary(selu)}, {"mish", unary(mish)}, {"softsign", unary(softsign)}, {"hardsigmoid", unary(hardsigmoid)},
      {"hardswish", unary(hardswish)}, {"tanhshrink", unary(tanhshrink)}, {"logsigmoid", unary(logsigmoid)},
      {"elu", input([](const Tensor& x) { return elu(x); })}, {"celu", input([](const Tensor& x) { return celu(x); })},
      {"hardtanh", input([](const Tensor& x) { return hardtanh(x); })}, {"hardshrink", input([](const Tensor& x) { return hardshrink(x); })},
      {"softshrink", input([](const Tensor& x) { return softshrink(x); })}, {"softplus", input([](const Tensor& x) { return softplus(x); })},
      {"leaky_relu", input([](const Tensor& x) { return leaky_relu(x); })},
      {"elu_alpha", of_x([](const Tensor& x) { return elu(x, 0.5); })}, {"celu_alpha", of_x([](const Tensor& x) { return celu(x, 0.5); })},
      {"leaky_relu_slope", of_x([](const Tensor& x) { return leaky_relu(x, 0.2); })},
      {"softplus_beta", of_x([](const Tensor& x) { return softplus(x, 2, 1); })},
      {"prelu", [](Tensors& t) { return prelu(t["input"], t["weight"]); }},
      {"prelu_one", [](Tensors& t) { return prelu(t["input"], t["weight"]); }},
      {"softmin", of_x([](const Tensor& x) { return softmin(x, 1); })},
      {"glu", of_x([](const Tensor& x) { return glu(x, 1); })},
      {"threshold", of_x([](const Tensor& x) { return nn::threshold(x, 0.1, 20); })},
      {"maxout", of_x([](const Tensor& x) { return maxout(x, 2, 1); })},
  };
  return calls;
}

TEST(Functions, LikeTorch) {
  std::map<std::string, Call> calls;
  for (const auto* family : {&maths(), &movement(), &linalg_and_creation(), &transforms(), &activations()}) calls.insert(family->begin(), family->end());
  expect_table("functions.json", calls, [](const nlohmann::json& c, const Call& call) { expect_case(c, call); });
}

// Errors begin with what the user called, though several ops are recorded.
TEST(Functions, ErrorsNameTheCall) {
  const Tensor a = Tensor::zeros({2, 3}), i = Tensor::zeros({2, 3}, DType::I64);
  expect_refused(Error::TypeMismatch, "tan: ", [&] { (void)tan(i); });
  expect_refused(Error::ShapeMismatch, "lerp: ", [&] { (void)lerp(a, Tensor::zeros({4}), 0.5); });
  expect_refused(Error::ShapeMismatch, "scatter_add: ", [&] { (void)scatter_add(a, 1, i, Tensor::zeros({2, 2})); });
  expect_refused(Error::TypeMismatch, "gather: ", [&] { (void)gather(a, 1, a); });
  expect_refused(Error::InvalidArgument, "index_select: the index has shape [2, 3]", [&] { (void)index_select(a, 0, i); });
  expect_refused(Error::InvalidArgument, "roll: axis 2 of a tensor of shape [2, 3]", [&] { (void)roll(a, {1}, {2}); });
  expect_refused(Error::InvalidArgument, "pad: 3 pads", [&] { (void)pad(a, {1, 2, 3}); });
  expect_refused(Error::InvalidArgument, "pad: the border is wider than axis 1", [&] { (void)pad(a, {3, 0}, PadMode::Reflect); });
  expect_refused(Error::BadAttribute, "topk: k is 4", [&] { (void)topk(a, 4); });
  expect_refused(Error::ShapeMismatch, "bmm: an operand has shape [2, 3]", [&] { (void)bmm(a, a); });
  expect_refused(Error::ShapeMismatch, "addmm: ", [&] { (void)addmm(a, a, a); });
  expect_refused(Error::InvalidArgument, "fma: operand 1 is an empty Tensor", [&] { (void)fma(a, {}, a); });
  expect_refused(Error::InvalidArgument, "glu: axis 1 of a tensor of shape [2, 3] has no halves", [&] { (void)nn::glu(a, 1); });
  expect_refused(Error::ShapeMismatch, "ifft: the input has shape [2, 3]", [&] { (void)ifft(a); });
  expect_refused(Error::InvalidArgument, "rfft: axis 2", [&] { (void)rfft(a, 2); });
  expect_refused(Error::ShapeMismatch, "cholesky: ", [&] { (void)cholesky(a); });
  expect_refused(Error::ShapeMismatch, "eigh: ", [&] { (void)eigh(a); });
  expect_refused(Error::TypeMismatch, "svd: ", [&] { (void)svd(i); });
  expect_refused(Error::BadData, "matrix 1 is not positive definite: its leading minor of order 2", [&] {
    (void)cholesky(Tensor::from<float>({4, 2, 2, 3, 1, 2, 2, 1}, {2, 2, 2})).array();
  });
  expect_refused(Error::TypeMismatch, "masked_select: the mask is int64", [&] { (void)masked_select(a, i); });
  expect_refused(Error::InvalidArgument, "unique: axis 2", [&] { (void)unique(a, 2); });
  expect_refused(Error::ShapeMismatch, "solve: ", [&] { (void)solve(a, a); });
  expect_refused(Error::InvalidArgument, "randint: the interval [3, 3)", [&] { (void)randint(3, 3, {2}); });
  expect_refused(Error::InvalidArgument, "arange: ", [&] { (void)arange(0, 1, -1); });
}

// Of equal eigenvalues the vectors have no derivative: what comes out says so.
TEST(Functions, EqualEigenvaluesHaveNoVectors) {
  Tensor x = eye(3);
  x.set_requires_grad();
  sum(select(eigh(x).vectors, 0, 0)).backward();
  bool finite = true;
  for (const float v : x.grad().to_vector<float>()) finite = finite && std::isfinite(v);
  EXPECT_FALSE(finite);
  x.zero_grad();
  sum(eigh(x).values).backward();
  EXPECT_EQ(x.grad().array(), eye(3).array());
}

// Sizes that only the data tell, of values that a step computes; small programs are used again.
TEST(Functions, SizesOfData) {
  Tensor w = Tensor::from<float>({1, -2, 3, -4});
  w.set_requires_grad();
  const Tensor y = w * 2, picked = masked_select(y, gt(y, 0));
  EXPECT_EQ(picked.to_vector<float>(), (std::vector<float>{2, 6}));
  sum(picked * picked).backward();
  EXPECT_EQ(w.grad().to_vector<float>(), (std::vector<float>{8, 0, 24, 0}));
  EXPECT_EQ(nonzero(Tensor::from<float>({0, 0})).shape(), (Shape64{0, 1}));
  EXPECT_EQ(nonzero(Tensor::from<float>({5}, {})).shape(), (Shape64{1, 0}));
  EXPECT_FALSE(unique(w).values.requires_grad());
  expect_refused(Error::Unsupported, "compress: only running it tells the shape", [&] { (void)apply<op::Compress>({y, gt(y, 0)}); });
}

// Random tensors: new numbers in each call, the same ones after the same seed, one program; moments as the distribution has them.
TEST(Functions, Random) {
  manual_seed(17);
  const auto first = rand({1000}).to_vector<float>();
  const int64_t compiled = lazy::compiled_programs();
  EXPECT_NE(rand({1000}).to_vector<float>(), first);
  EXPECT_EQ(lazy::compiled_programs(), compiled);
  manual_seed(17);
  EXPECT_EQ(rand({1000}).to_vector<float>(), first);
  manual_seed(17);
  EXPECT_EQ(default_generator().uniform({1000}, 0, 1).to_vector<float>(), first);  // drawn on the host: the same numbers
  EXPECT_NEAR(mean(rand({20000})).item(), 0.5, 0.01);
  EXPECT_NEAR(var(randn({20000})).item(), 1, 0.05);
  EXPECT_NEAR(mean(bernoulli(Tensor::full({20000}, 0.25))).item(), 0.25, 0.015);
  std::map<int64_t, int> counts;
  for (const int64_t v : randint(-2, 3, {5000}).to_vector<int64_t>()) ++counts[v];
  ASSERT_EQ(counts.size(), 5U);
  EXPECT_EQ(counts.begin()->first, -2);
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, 1000, 120) << value;
  auto order = randperm(100).to_vector<int64_t>();
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t k = 0; k < 100; ++k) EXPECT_EQ(order[static_cast<size_t>(k)], k);
}

// Noise in a step: other numbers in each step, one program for all of them.
TEST(Functions, RandomInsideSteps) {
  manual_seed(4);
  Tensor w = Tensor::zeros({64});
  w.set_requires_grad();
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 1}));
  const int64_t before = lazy::compiled_programs();
  std::vector<float> last(64, 0);
  for (int step = 0; step < 10; ++step) {
    sum(w * randn({64})).backward();
    optimizer.step();
    const auto now = w.to_vector<float>();
    EXPECT_NE(now, last) << step;
    last = now;
  }
  EXPECT_EQ(lazy::compiled_programs(), before + 1);
  EXPECT_NEAR(norm(w).item() / 8, std::sqrt(10.0), 0.8);  // a walk of 10 independent steps of length 1
}

}  // namespace
}  // namespace gf::test
