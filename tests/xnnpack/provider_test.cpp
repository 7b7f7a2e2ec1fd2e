// needs: GF_CONVERTER GF_IO
// XNNPACK as a provider, in sessions: no heap in run, memory as promised, equal bits for any pool, and what it refuses.
#include <pthreadpool.h>
#include <xnnpack.h>

#include <cmath>
#include <iostream>
#include <set>
#include <thread>

#include "ops/cpu/table.h"
#include "ops/cpu/xnnpack/memory.h"
#include "ops/cpu/xnnpack/operator.h"
#include "ops/cpu/xnnpack/table.h"
#include "schema/ops.h"
#include "tests/runtime/session_support.h"
#include "tests/support/heap_counter.h"

namespace gf::test {
namespace {

Tables preferring() { return default_tables(true, "xnnpack"); }

/// A pthreadpool behind ParallelFor.
class Pthreads {
 public:
  explicit Pthreads(size_t threads) : pool_(pthreadpool_create(threads), &pthreadpool_destroy) {}
  ParallelFor parallel() const { return xnnpack::parallel_for(pool_.get()); }

 private:
  std::unique_ptr<pthreadpool, decltype(&pthreadpool_destroy)> pool_;
};

std::set<std::string> kernels_of(const Session& s) {
  std::set<std::string> names;
  for (int i = 0; i < s.node_count(); ++i) names.insert(s.node(i).kernel);
  return names;
}
int xnnpack_nodes(const Session& s) {
  int n = 0;
  for (int i = 0; i < s.node_count(); ++i) n += std::string(s.node(i).kernel).ends_with("_xnnpack") ? 1 : 0;
  return n;
}

struct Net {
  std::string name;
  std::vector<std::byte> file;
  Named inputs;
};
Net golden(const std::string& name) {
  const TestNet net = read_net(source_path("tests/golden/" + name));
  return {name, convert_net(net), net.inputs[0]};
}
Net digits() { return {"digits", convert_digits(1, 1), {{"image", digits_input(1)}}}; }

void expect_close(const std::vector<HostTensor>& actual, const std::vector<HostTensor>& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t k = 0; k < actual.size(); ++k) {
    const auto a = actual[k].as<float>(), e = expected[k].as<float>();
    ASSERT_EQ(a.size(), e.size()) << what;
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], e[i], 1e-4 + 1e-3 * std::fabs(e[i])) << what << " output " << k << " element " << i;
  }
}

TEST(XnnpackSession, GoldenNetsComeOutRight) {
  for (const char* name : {"dscnn_kws", "mobilenet_v2", "resnet18", "unet_bilinear", "squeezenet"}) {
    const TestNet net = read_net(source_path(std::string("tests/golden/") + name));
    Loaded l(convert_net(net), Loaded::with(), preferring());
    Running r(l);
    EXPECT_GE(xnnpack_nodes(r.session), 3) << name;
    expect_close(run(r.session, net.inputs[0]), net.expected[0], name);
  }
}

TEST(XnnpackSession, NoHeapInRun) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const auto& [net, runs] : {std::pair(digits(), 1000), std::pair(golden("dscnn_kws"), 1000), std::pair(golden("mobilenet_v2"), 20)})
    for (const size_t threads : {1U, 2U}) {
      const Pthreads pool(threads);
      Loaded l(net.file, Loaded::with(pool.parallel()), preferring());
      Running r(l);
      EXPECT_GE(xnnpack_nodes(r.session), 2) << net.name;
      run(r.session, net.inputs);
      bool ok = true;
      const HeapCounts counts = count_heap_calls([&, n = runs] {
        for (int i = 0; i < n; ++i) ok = ok && r.session.run() == Error::Ok;
      });
      EXPECT_TRUE(ok);
      EXPECT_EQ(counts.calls(), 0U) << net.name << " with " << threads << " threads";
    }
}

TEST(XnnpackSession, EqualBitsForEveryPool) {
  for (const Net& net : {digits(), golden("dscnn_kws"), golden("mobilenet_v2"), golden("unet_bilinear")}) {
    std::vector<HostTensor> first;
    std::set<std::string> kernels;
    const auto check = [&](const ParallelFor& parallel, const std::string& what) {
      Loaded l(net.file, Loaded::with(parallel), preferring());
      Running r(l);
      if (first.empty()) kernels = kernels_of(r.session);
      EXPECT_EQ(kernels_of(r.session), kernels) << net.name << ", " << what;
      const auto out = run(r.session, net.inputs);
      if (first.empty()) first = out;
      EXPECT_EQ(out, first) << net.name << ", " << what;
    };
    check({}, "serial");
    for (const int threads : {2, 4}) {
      const Pthreads pthreads(static_cast<size_t>(threads));
      check(pthreads.parallel(), "pthreadpool of " + std::to_string(threads));
      const Threads own(threads);  // XNNPACK then stays on the calling thread
      check(own.parallel(), "own pool of " + std::to_string(threads));
    }
  }
}

// Kernels that compare what XNNPACK asked for with what was planned, behind the real ones.
struct Use {
  uint64_t planned = 0, asked = 0;
};
std::vector<Use> g_uses;

Error recording_init(const NodeView& node, InitContext& context) {
  for (const Kernel* k : cpu::xnnpack_kernels()) {
    if (k->op != node.def->info.id) continue;
    GF_TRY(k->init(node, context));
    g_uses.push_back({context.data_bytes, static_cast<const xnnpack::OperatorData*>(context.data)->asked});
  }
  return Error::Ok;
}

// Its kernels lose NaN, so they never come in by themselves.
TEST(XnnpackChoice, OnlyOnRequest) {
  const Net net = golden("dscnn_kws");
  Loaded usual(net.file), asked(net.file, Loaded::with(), preferring());
  const Running u(usual), a(asked);
  EXPECT_EQ(xnnpack_nodes(u.session), 0);
  EXPECT_GT(xnnpack_nodes(a.session), 0);
  EXPECT_EQ(default_tables(true).kernel_table_count, default_tables(false).kernel_table_count);
}

TEST(XnnpackMemory, PlansAreAtMostFivePercentOver) {
  std::vector<Kernel> copies;
  for (const Kernel* k : cpu::xnnpack_kernels()) copies.push_back(*k);
  std::vector<const Kernel*> rows;
  for (Kernel& k : copies) {
    k.init = recording_init;
    rows.push_back(&k);
  }
  Tables tables = default_tables(false);
  tables.preferred = tables.kernel_table_count;
  tables.add(rows);
  for (const char* name : {"dscnn_kws", "mobilenet_v2", "resnet18", "unet_bilinear", "unet", "efficientnet_b0", "mlp", "densenet121"}) {
    g_uses.clear();
    Loaded l(golden(name).file, Loaded::with(), tables);
    const Running r(l);
    ASSERT_FALSE(g_uses.empty()) << name;
    Use sum;
    for (const Use& u : g_uses) {
      EXPECT_GE(u.planned, u.asked) << name;
      EXPECT_LE(u.planned, u.asked + 5 * kAlignment) << name << ": our record and the rounding of at most four pieces";
      sum.planned += u.planned;
      sum.asked += u.asked;
    }
    EXPECT_LE(static_cast<double>(sum.planned), 1.05 * static_cast<double>(sum.asked)) << name;
    std::cout << name << ": " << g_uses.size() << " operators, planned " << sum.planned << ", asked for " << sum.asked << '\n';
  }
}

TEST(XnnpackMemory, LargeWeightsAreCountedWithoutPackingThem) {
  // weights above and around the size from which they are only counted
  for (const int64_t columns : {100, 128, 129, 512, 1000}) {
    const HostTensor x = HostTensor::zeros(DType::F32, {3, 200}), w = HostTensor::zeros(DType::F32, {200, columns});
    EvaluateOptions o;
    o.padded = true;
    o.constant = {false, true};
    o.kernel = "matmul_f32_xnnpack";
    EXPECT_NO_THROW(evaluate(op_def<op::MatMul>, {}, {x, w}, preferring(), o)) << columns;
  }
  for (const int64_t channels : {16, 64, 130}) {
    const HostTensor x = HostTensor::zeros(DType::F32, {1, 9, 11, channels}), w = HostTensor::zeros(DType::F32, {2 * channels, channels, 3, 3});
    EvaluateOptions o;
    o.padded = true;
    o.constant = {false, true};
    o.kernel = "conv_f32_xnnpack";
    EXPECT_NO_THROW(evaluate(op_def<op::Conv>, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, {x, w}, preferring(), o)) << channels;
  }
}

TEST(XnnpackMemory, OneByteLessIsAnError) {
  for (const Net& net : {digits(), golden("dscnn_kws")}) {
    Loaded l(net.file, Loaded::with(), preferring());
    MemoryNeeds needs;
    {
      const Running r(l);
      needs = r.needs;
      ASSERT_GE(xnnpack_nodes(r.session), 2);
    }
    const Block session(needs.session_bytes), activations(needs.activation_bytes), scratch(needs.scratch_bytes);
    const auto make = [&](uint64_t a, uint64_t b, uint64_t c) {
      ErrorDetail d;
      return Session::create(*l.program, l.program->entry_name(0), *l.weights, nullptr, l.tables, l.options,
                             {session.span().first(a), activations.span().first(b), scratch.span().first(c), {}}, &d).error();
    };
    EXPECT_EQ(make(needs.session_bytes, needs.activation_bytes, needs.scratch_bytes), Error::Ok);
    for (uint64_t k = 0; k < 24; ++k) EXPECT_EQ(make(needs.session_bytes * k / 24, needs.activation_bytes, needs.scratch_bytes), Error::BufferTooSmall);
    EXPECT_EQ(make(needs.session_bytes - 1, needs.activation_bytes, needs.scratch_bytes), Error::BufferTooSmall);
    EXPECT_EQ(make(needs.session_bytes, needs.activation_bytes - 1, needs.scratch_bytes), Error::BufferTooSmall);
    if (needs.scratch_bytes == 0) continue;
    EXPECT_EQ(make(needs.session_bytes, needs.activation_bytes, needs.scratch_bytes - 1), Error::BufferTooSmall);
  }
}

TEST(XnnpackSession, TwoSessionsAtOnceAndOneAfterTheOther) {
  const Net net = golden("dscnn_kws");
  Loaded l(net.file, Loaded::with(), preferring());
  std::vector<HostTensor> want;
  {
    Running r(l);
    want = run(r.session, net.inputs);
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      const Pthreads pool(2);
      Running r(l, "", Loaded::with(pool.parallel()));
      for (int i = 0; i < 20; ++i) EXPECT_EQ(run(r.session, net.inputs), want);
    });
  for (std::thread& t : threads) t.join();
}

TEST(XnnpackSession, BoundInputsAndOutputsAreLeftToOtherKernels) {
  SessionOptions o = Loaded::with();
  o.external_inputs = o.external_outputs = true;
  const Net net = golden("mobilenet_v2");
  Loaded plain(net.file, Loaded::with(), preferring()), l(net.file, o, preferring());
  Running expected(plain), r(l);
  const auto want = run(expected.session, net.inputs);
  bool told = false;
  for (int i = 0; i < r.session.node_count(); ++i)
    told = told || std::string(r.session.node(i).refused).find("planned memory") != std::string::npos;
  EXPECT_TRUE(told);
  EXPECT_GE(xnnpack_nodes(r.session), 10);
  std::vector<float> in[2] = {net.inputs[0].second.as<float>(), net.inputs[0].second.as<float>()};
  std::vector<float> out[2];
  for (int k = 0; k < 2; ++k) {
    out[k].assign(want[0].as<float>().size(), -1);
    ASSERT_EQ(r.session.bind_input(0, in[k].data(), in[k].size() * 4), Error::Ok);
    ASSERT_EQ(r.session.bind_output(0, out[k].data(), out[k].size() * 4), Error::Ok);
    ASSERT_EQ(r.session.run(), Error::Ok);
  }
  EXPECT_EQ(out[0], out[1]);
  for (size_t i = 0; i < out[0].size(); ++i) EXPECT_NEAR(out[0][i], want[0].as<float>()[i], 1e-4 + 1e-3 * std::fabs(out[0][i]));
}

TEST(XnnpackChoice, OwnVectorKernelsComeFirstUnlessXnnpackIsPreferred) {
#if GF_SIMD
  Loaded l(golden("mobilenet_v2").file);
  const Running r(l);
  EXPECT_EQ(xnnpack_nodes(r.session), 0);
#endif
  EXPECT_THROW(default_tables(false, "xnnpack"), Exception);
  EXPECT_THROW(default_tables(true, "nothing"), Exception);
}

// --- what the README lists as deviations

HostTensor row(const std::vector<float>& values) {
  HostTensor t = HostTensor::zeros(DType::F32, {1, static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.view<float>().begin());
  return t;
}
template <class Op>
std::vector<float> on(const char* kernel, const HostInputs& inputs, const Attributes& attributes = {}, std::vector<bool> constant = {}) {
  EvaluateOptions o;
  o.padded = true;
  o.kernel = kernel;
  o.constant = std::move(constant);
  return evaluate(op_def<Op>, attributes, inputs, preferring(), o)[0].template as<float>();
}

TEST(XnnpackDeviations, DenormalsAreFlushed) {
  const float denormal = 1e-40F;
  EXPECT_EQ(on<op::Ceil>("ceil_f32_xnnpack", {row({denormal, 1})})[0], 0.0F);
  EXPECT_EQ(on<op::Ceil>("elementwise_portable", {row({denormal, 1})})[0], 1.0F);
  volatile float after = denormal;
  EXPECT_NE(after * 1.0F, 0.0F) << "the caller's floating-point mode must come back";
}

TEST(XnnpackDeviations, NanIsLost) {
  const HostInputs x{row({std::nanf(""), 1})};
  HostInputs product = x;
  product.push_back(HostTensor::zeros(DType::F32, {2, 1}));
  product[1]->view<float>()[0] = product[1]->view<float>()[1] = 1;
  const Attributes relu{{"activation", static_cast<int64_t>(Activation::Relu)}};
  const float infinity = xnnpack::kInfinity;
  EXPECT_EQ(on<op::MatMul>("matmul_f32_xnnpack", product, relu, {false, true})[0], 0.0F);
  EXPECT_EQ(on<op::MatMul>("matmul_f32_xnnpack", product, {}, {false, true})[0], -infinity);
  EXPECT_TRUE(std::isnan(on<op::MatMul>("matmul_portable", product, relu)[0]));
  EXPECT_TRUE(std::isinf(on<op::Softmax>("softmax_f32_xnnpack", x)[0]));
  EXPECT_EQ(on<op::Softmax>("softmax_f32_xnnpack", {row({infinity, 1})})[0], -infinity);
  for (const float v : on<op::Softmax>("softmax_portable", x)) EXPECT_TRUE(std::isnan(v));
  EXPECT_TRUE(std::isnan(on<op::Sigmoid>("sigmoid_f32_xnnpack", x)[0])) << "elementwise operators keep it";
  EXPECT_TRUE(std::isnan(on<op::HardSwish>("hard_swish_f32_xnnpack", x)[0]));
}

TEST(XnnpackDeviations, ExactNodesRefuseIt) {
  EvaluateOptions o;
  o.padded = o.exact = true;
  o.kernel = "ceil_f32_xnnpack";
  try {
    evaluate(op_def<op::Ceil>, {}, {row({1, 2})}, preferring(), o);
    ADD_FAILURE() << "accepted";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::Unsupported);
    EXPECT_NE(std::string(e.what()).find("train step"), std::string::npos) << e.what();
  }
}

// --- the process-wide allocator

TEST(XnnpackAllocator, OthersInTheProcessAreServedPages) {
  ASSERT_EQ(xnnpack::unavailable(), nullptr);
  ASSERT_EQ(xnn_initialize(nullptr), xnn_status_success);
  xnn_operator_t op = nullptr;
  ASSERT_EQ(xnn_create_clamp_nc_f32(8, 8, 8, 0, 1, 0, &op), xnn_status_success);
  std::vector<float> x(16, 2), y(16);
  ASSERT_EQ(xnn_setup_clamp_nc_f32(op, 1, x.data(), y.data(), nullptr), xnn_status_success);
  EXPECT_EQ(xnn_run_operator(op, nullptr), xnn_status_success);
  EXPECT_EQ(y[7], 1.0F);
  EXPECT_EQ(xnn_delete_operator(op), xnn_status_success);
}

// Run in a process of its own (a death test): whoever initialises first wins.
[[noreturn]] void initialise_elsewhere_first() {
  xnn_initialize(nullptr);
  const Net net = digits();
  Loaded l(net.file, Loaded::with(), preferring());
  const Running r(l);
  bool told = false;
  for (int i = 0; i < r.session.node_count(); ++i)
    told = told || std::string(r.session.node(i).refused).find("initialised XNNPACK first") != std::string::npos;
  std::exit(xnnpack_nodes(r.session) == 0 && told ? 0 : 1);
}
TEST(XnnpackAllocatorDeathTest, AForeignAllocatorIsRefusedWithAReason) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(initialise_elsewhere_first(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace gf::test
