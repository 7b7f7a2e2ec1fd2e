// Train steps whose products are computed from operands rounded to bfloat16 (PassOptions::products): which nodes, by which kernels, how far
// gradients and losses are from those in float32, and the same bits for every number of threads.
#include <cmath>

#include "graph/ir/copy.h"
#include "ops/cpu/table.h"
#include "runtime/include/ghostflow/tables.h"
#include "tests/simd/rounded_support.h"
#include "tests/trainer/step_nets.h"
#include "trainer/nn/layers.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

constexpr double kGradientBound = 0.05, kResNetBound = 0.3, kEmulationBound = 1e-5, kLossBound = 0.03;

ir::Model step_of(const StepNet& c, int64_t batch, const Rule& rule, DType products) {
  ir::Model graph = step_graph(c, batch, rule);
  PassOptions passes = step_passes();
  passes.products = products;
  run_passes(graph, passes);
  ir::check(graph);
  return graph;
}

Precision precision_of(const ir::Node& n) {
  if (n.is<op::MatMul>()) return ir::attrs_of<op::MatMul>(n).precision;
  if (n.is<op::Conv>()) return ir::attrs_of<op::Conv>(n).precision;
  if (n.is<op::ConvTranspose>()) return ir::attrs_of<op::ConvTranspose>(n).precision;
  return n.is<op::ConvWeightGrad>() ? ir::attrs_of<op::ConvWeightGrad>(n).precision : Precision::Full;
}
bool is_product(const ir::Node& n) { return n.is<op::MatMul>() || n.is<op::Conv>() || n.is<op::ConvTranspose>() || n.is<op::ConvWeightGrad>(); }
int rounded_nodes(const ir::Model& graph) {
  int count = 0;
  for (const auto& e : graph.entries)
    for (const auto& n : e->body.nodes) count += precision_of(*n) == Precision::BF16 ? 1 : 0;
  return count;
}

/// Wide enough that everything but first convolutions is rounded.
std::vector<StepNet> wide_nets() {
  using namespace models;
  return {
      {"mlp", 5, [](int64_t n) { return classifier(std::make_shared<Mlp>(MlpOptions{.sizes = {40, 64, 48, 5}}), n, {40}); }},
      {"lenet", 10, [](int64_t n) { return classifier(std::make_shared<LeNet>(), n, {1, 28, 28}); }},
      {"char_gpt", 50, [](int64_t n) { return language_model(std::make_shared<Gpt2>(Gpt2Options{.words = 50, .positions = 8, .depth = 2, .heads = 2, .dim = 32, .dropout = 0}), n); }},
      {"lstm_lm", 50, [](int64_t n) { return language_model(std::make_shared<RecurrentLm>(RecurrentLmOptions{.words = 50, .dim = 24, .hidden = 32, .dropout = 0}), n); }},
      {"resnet", 10, [](int64_t n) { return classifier(std::make_shared<ResNet>(ResNetOptions{.depths = {1, 1, 1, 1}, .width = 32, .classes = 10, .small_images = true}), n, {3, 16, 16}); }},
  };
}

TEST(MixedPrecision, EveryMatrixProductAndWideConvolutionIsRounded) {
  for (const StepNet& c : wide_nets()) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(rounded_nodes(step_of(c, 4, momentum(), DType::F32)), 0);
    const ir::Model graph = step_of(c, 4, momentum(), DType::BF16);
    const ir::Entry& e = *graph.entries[0];
    int products = 0;
    for (const auto& n : e.body.nodes) {
      if (!is_product(*n)) continue;
      const DimShape &left = e.value(n->inputs[0]).shape, &right = e.value(n->inputs[1]).shape;
      const bool narrow = !n->is<op::MatMul>() && (left[left.rank - 1].lo < 24 || (n->is<op::ConvWeightGrad>() ? right[right.rank - 1].lo : std::min(right[0].lo, right[1].lo)) < 24);
      EXPECT_EQ(precision_of(*n), narrow ? Precision::Full : Precision::BF16) << n->def->info.name;
      ++products;
    }
    EXPECT_GT(products, 2);
  }
}

TEST(MixedPrecision, OnlyEntriesThatTrain) {
  Net n;
  n.output("y", n.b.add<op::MatMul>({n.input("x", {4, 8}), n.weights({8, 3})}));
  PassOptions passes = step_passes();
  passes.products = DType::BF16;
  run_passes(n.model, passes);
  EXPECT_EQ(rounded_nodes(n.model), 0);
  passes.products = DType::F16;
  EXPECT_THROW(run_passes(n.model, passes), Exception);
}

TEST(MixedPrecision, VectorKernelsServeEveryRoundedNode) {
#if GF_SIMD
  for (const StepNet& c : wide_nets()) {
    ir::Model graph = step_of(c, 4, momentum(), DType::BF16);
    Loaded l(emit(graph), Loaded::with(), default_tables(false));
    Running r(l);
    int rounded = 0;
    for (int k = 0; k < r.session.node_count(); ++k) {
      const std::string kernel = r.session.node(k).kernel;
      rounded += kernel.find("bf16_operands_simd") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(rounded, rounded_nodes(graph)) << c.name;
  }
#else
  GTEST_SKIP() << "built without vector kernels";
#endif
}

/// One node of an op with `attrs` on random inputs of these shapes, rounded by the test first or not.
template <class Op>
std::vector<std::byte> run_op(const Tables& tables, const typename Op::Attrs& attrs, const std::vector<int64_t>& a, const std::vector<int64_t>& b, bool round_first) {
  Net n;
  n.output("y", n.b.add<Op>({n.input("a", std::vector<Dim>(a.begin(), a.end())), n.input("b", std::vector<Dim>(b.begin(), b.end()))}, attrs));
  ir::check(n.model);
  Loaded l(emit(n.model), Loaded::with(), tables);
  Running r(l);
  for (int i = 0; i < 2; ++i) {
    const TensorView v = r.session.input(i);
    std::vector<float> values = random_vector<float>(static_cast<size_t>(v.count()), 5 + static_cast<uint64_t>(i), -2, 2);
    values[0] = 1e-41F;  // a denormal
    if (round_first) values = simd::test::nearest_bf16(values);
    std::copy(values.begin(), values.end(), v.as<float>());
  }
  run_or_throw(r.session);
  std::vector<std::byte> bits;
  append_outputs(bits, r.session);
  return bits;
}
/// The attribute gives what rounded inputs give.
template <class Op>
void expect_rounds(typename Op::Attrs attrs, const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  SCOPED_TRACE(Op::info.name);
  Tables tables;
  tables.ops = default_tables(false).ops;
  tables.add(cpu::portable_kernels());
  const auto full = run_op<Op>(tables, attrs, a, b, false), expected = run_op<Op>(tables, attrs, a, b, true);
  attrs.precision = Precision::BF16;
  const auto rounded = run_op<Op>(tables, attrs, a, b, false);
  EXPECT_TRUE(rounded == expected);
  EXPECT_FALSE(rounded == full);
}
TEST(MixedPrecision, PortableKernelsRoundOperandsAndNothingElse) {
  expect_rounds<op::MatMul>({.transpose_b = true}, {2, 5, 70}, {9, 70});
  const std::array<int64_t, 4> pads{1, 0, 1, 0};
  expect_rounds<op::Conv>({.pads = pads}, {2, 6, 5, 4}, {3, 4, 3, 2});
  op::ConvTranspose::Attrs back;
  const std::array<int64_t, 2> strides{2, 1};
  back.strides = strides;
  expect_rounds<op::ConvTranspose>(back, {2, 4, 5, 4}, {4, 3, 3, 2});
  const std::array<int64_t, 2> kernel{3, 2};
  expect_rounds<op::ConvWeightGrad>({.kernel = kernel}, {2, 6, 5, 4}, {2, 4, 4, 3});
}
TEST(MixedPrecision, OfFloat32Alone) {
  Net n;
  const auto a = n.input("a", {2, 3}, DType::F64), b = n.input("b", {3, 2}, DType::F64);
  EXPECT_THROW((void)n.b.add<op::MatMul>({a, b}, {.precision = Precision::BF16}), Exception);
}

// Lazy tensors: another type is another program, and the first one comes back.
TEST(MixedPrecision, OfLazySteps) {
  const auto loss_after_a_step = [](DType products) {
    compute_products_in(products);
    nn::manual_seed(3);
    nn::Linear layer(40, 30);
    Trainable rule(layer.parameters(), momentum(0.1));
    const Tensor x = Tensor::from(random_vector<float>(200, 1, -1, 1), {5, 40});
    const Tensor loss = mean(square(layer(x)));
    loss.backward();
    rule.step();
    const double after = mean(square(layer(x))).item();
    compute_products_in(DType::F32);
    return after;
  };
  const double wide = loss_after_a_step(DType::F32), narrow = loss_after_a_step(DType::BF16);
  EXPECT_NE(wide, narrow);
  EXPECT_NEAR(wide, narrow, 0.01 * wide);
  EXPECT_EQ(wide, loss_after_a_step(DType::F32));
  EXPECT_THROW(compute_products_in(DType::F16), Exception);
}

struct Losses {
  std::vector<float> values;
  std::vector<std::byte> bits;
};
Losses train(const ir::Model& graph, const StepNet& c, int threads, uint64_t steps) {
  ir::Model own = ir::copy(graph);
  Threads pool(threads);
  Loaded l(emit(own), Loaded::with(threads == 1 ? ParallelFor{} : pool.parallel()), default_tables(false));
  Running r(l);
  Losses out;
  for (uint64_t step = 0; step < steps; ++step) {
    set_batch(r.session, c, step % 8 + 1);
    run_or_throw(r.session);
    out.values.push_back(*r.session.output(0).as<const float>());
    append_outputs(out.bits, r.session);
  }
  append_state(out.bits, *l.state);
  return out;
}

TEST(MixedPrecision, SameBitsForEveryNumberOfThreads) {
  for (const StepNet& c : wide_nets()) {
    const ir::Model graph = step_of(c, 5, momentum(), DType::BF16);
    const Losses one = train(graph, c, 1, 3);
    for (const int threads : {2, 4}) EXPECT_TRUE(one.bits == train(graph, c, threads, 3).bits) << c.name << ", " << threads << " threads";
  }
}

/// What a step of plain descent with rate 1 takes off each parameter, all in a row: the gradients.
std::vector<double> gradients(const StepNet& c, int64_t batch, DType products, Isa isa) {
  ir::Model graph = step_of(c, batch, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 1}), products);
  SessionOptions options = Loaded::with();
  options.isa = isa;
  Loaded l(emit(graph), options, default_tables(false));
  Running r(l);
  const auto weights = [&] {
    std::vector<double> all;
    for (int k = 0; k < l.state->count(); ++k) {
      const auto s = l.program->state(k);
      if (s.dtype != DType::F32 || std::string(s.name).find("running") != std::string::npos) continue;
      const auto bytes = l.state->bytes(k);
      const auto* values = reinterpret_cast<const float*>(bytes.data());
      all.insert(all.end(), values, values + bytes.size() / sizeof(float));
    }
    return all;
  };
  std::vector<double> moved = weights();
  set_batch(r.session, c, 1);
  run_or_throw(r.session);
  const std::vector<double> after = weights();
  for (size_t k = 0; k < moved.size(); ++k) moved[k] -= after[k];
  return moved;
}
/// Norm of the difference over that of `a`.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    difference += (a[k] - b[k]) * (a[k] - b[k]);
    size += a[k] * a[k];
  }
  return std::sqrt(difference / size);
}

// Operands have 8 bits, each off by at most 2^-9 of itself. How much of that reaches the gradients is a question of the net: here 0.001 to
// 0.02, where terms of random labels cancel, 0.04 at other batches; those of a ResNet at its first weights, with batch norms over few pictures, move by tenths (PyTorch 2.13 under autocast: 0.18 to 0.41 of the norm
// for a ResNet of 32 channels at batch 16 and 4, where also activations are rounded).
TEST(MixedPrecision, GradientsAreNearThoseOfFloat32) {
  for (const StepNet& c : wide_nets()) {
    const double d = distance(gradients(c, 16, DType::F32, machine_isa()), gradients(c, 16, DType::BF16, machine_isa()));
    std::printf("%-10s gradients are off by %.5f of their norm\n", c.name.c_str(), d);
    EXPECT_GT(d, 1e-5) << c.name << ": nothing was rounded";
    EXPECT_LT(d, c.name == "resnet" ? kResNetBound : kGradientBound) << c.name;
  }
}

// The same operands are rounded whether an instruction multiplies them or not. Not for the ResNet: what its batch norms give differs in the
// last bit of float32, and now and then that decides which way an operand is rounded (0.01 of the norm).
TEST(MixedPrecision, EmulationGivesTheGradientsOfTheInstructions) {
  if (!isa_multiplies_bf16(machine_isa())) GTEST_SKIP() << "this processor has no products of bfloat16";
  for (const StepNet& c : wide_nets()) {
    if (c.name == "resnet") continue;
    const double d = distance(gradients(c, 16, DType::BF16, machine_isa()), gradients(c, 16, DType::BF16, Isa::Avx512));
    std::printf("%-10s gradients differ by %.7f of their norm\n", c.name.c_str(), d);
    EXPECT_LT(d, kEmulationBound) << c.name;
  }
}

// 60 to 200 steps over eight batches that come again. Every loss on the way stays within a fraction of the loss at the start.
TEST(MixedPrecision, LossesFollowThoseOfFloat32) {
  for (const StepNet& c : wide_nets()) {
    SCOPED_TRACE(c.name);
    const uint64_t steps = c.name == "lenet" || c.name == "resnet" ? 60 : 200;
    const Losses wide = train(step_of(c, 8, adamw(), DType::F32), c, 1, steps), narrow = train(step_of(c, 8, adamw(), DType::BF16), c, 1, steps);
    double worst = 0, wide_end = 0, narrow_end = 0;
    for (size_t k = 0; k < wide.values.size(); ++k) {
      worst = std::max(worst, std::fabs(static_cast<double>(narrow.values[k]) - static_cast<double>(wide.values[k])));
      if (k + 8 >= wide.values.size()) {
        wide_end += static_cast<double>(wide.values[k]) / 8;
        narrow_end += static_cast<double>(narrow.values[k]) / 8;
      }
    }
    const double first = static_cast<double>(wide.values[0]);
    std::printf("%-10s loss %.4f, after %d steps %.4f in float32 and %.4f from bfloat16; at most %.4f apart on the way\n", c.name.c_str(), first, static_cast<int>(steps), wide_end, narrow_end, worst);
    EXPECT_LT(wide_end, 0.98 * first) << "nothing was learnt";
    EXPECT_LT(worst, kLossBound * first);
  }
}

}  // namespace
}  // namespace gf::test
