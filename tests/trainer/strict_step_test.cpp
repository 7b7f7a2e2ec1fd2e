// What may not change the result of a train step: where its tensors lie, what was in their memory before, what is computed again, how many
// threads there are. And its memory is what was told beforehand.
#include "runtime/exec/core.h"
#include "runtime/exec/report.h"
#include "schema/ops/less.h"
#include "tests/trainer/step_nets.h"
#include "trainer/nn/activations.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/dropout.h"
#include "trainer/tensor/functions_maths.h"

namespace gf::test {
namespace {

constexpr int kSteps = 3;
constexpr int kNaN = 0xff;  // a byte: four of them, two or eight are a NaN

// Fills a buffer with NaN when its last reader is done, and scratch behind each node.
class Poison {
 public:
  /// `early`: one step before the last reader, which is wrong.
  Poison(Running& running, bool early) : running_(running) {
    for (const PlanItem& item : SessionReport::buffers(running.session)) ends_.emplace(item.last - (early && item.last > item.first ? 1 : 0), item);
    running.session.set_profile({.after_node = after_node, .now_ns = [] { return uint64_t{0}; }, .context = this});
  }
  void everything() const {
    for (const Block* b : {&running_.activations, &running_.scratch}) fill(b->span());
  }

 private:
  static void fill(std::span<std::byte> bytes) {
    if (!bytes.empty()) std::memset(bytes.data(), kNaN, bytes.size());
  }
  static void after_node(void* self, int32_t node, uint64_t, uint64_t) {
    const Poison& p = *static_cast<const Poison*>(self);
    const auto [begin, end] = p.ends_.equal_range(SessionReport::steps(p.running_.session, node).end);
    for (auto it = begin; it != end; ++it) fill(p.running_.activations.span().subspan(it->second.offset, it->second.bytes));
    fill(p.running_.scratch.span());
  }

  Running& running_;
  std::multimap<int32_t, PlanItem> ends_;
};

// Memory of its own for each tensor: nothing is shared, no view, no result in the place of an operand.
std::vector<Block> set_apart(Running& running, const Program& program) {
  auto& core = *reinterpret_cast<SessionCore*>(running.session_memory.span().data());  // records stand in front
  EXPECT_EQ(core.program, &program);
  std::vector<Block> blocks;
  for (TensorRecord& t : core.tensors) {
    if (!t.planned) continue;
    uint64_t bytes = 0;
    EXPECT_TRUE(bytes_checked(t.bound.count(), t.view.dtype, bytes));
    blocks.emplace_back(bytes + kTailBytes);
    t.view.data = blocks.back().span().data();
  }
  return blocks;
}

enum class Memory { Planned, Apart, Poisoned, PoisonedEarly };

// All outputs of each step, and all State at the end.
std::vector<std::byte> bits_of(std::span<const std::byte> file, const StepNet& c, Memory memory = Memory::Planned, int threads = 1) {
  std::unique_ptr<Threads> pool = threads > 1 ? std::make_unique<Threads>(threads) : nullptr;
  Loaded loaded(file, Loaded::with(pool ? pool->parallel() : ParallelFor{}), default_tables(false));
  Running running(loaded);
  std::vector<Block> apart;
  if (memory == Memory::Apart) apart = set_apart(running, *loaded.program);
  std::optional<Poison> poison;
  if (memory == Memory::Poisoned || memory == Memory::PoisonedEarly) poison.emplace(running, memory == Memory::PoisonedEarly);
  std::vector<std::byte> bits;
  for (int step = 0; step < kSteps; ++step) {
    if (poison) poison->everything();
    set_batch(running.session, c, static_cast<uint64_t>(step) + 1);
    run_or_throw(running.session);
    append_outputs(bits, running.session);
  }
  append_state(bits, *loaded.state);
  return bits;
}

MemoryNeeds needs_of(std::span<const std::byte> file) {
  Loaded loaded(file, Loaded::with(), default_tables(false));
  return Running(loaded).needs;
}

TEST(StrictStep, MemoryThreadsAndRecomputationDoNotMatter) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    ir::Model plain = optimised_step(c, 4, adamw());
    const std::vector<std::byte> file = emit(plain);
    const std::vector<std::byte> want = bits_of(file, c);
    EXPECT_TRUE(bits_of(file, c, Memory::Apart) == want) << "each tensor in memory of its own";
    EXPECT_TRUE(bits_of(file, c, Memory::Poisoned) == want) << "NaN in memory that is free";
    for (const int threads : {2, 4}) EXPECT_TRUE(bits_of(file, c, Memory::Planned, threads) == want) << threads << " threads";
    const uint64_t live = needs_of(file).max_live_bytes;
    ir::Model tight = optimised_step(c, 4, adamw(), {}, live * 6 / 10);
    const size_t again = tight.entries[0]->body.nodes.size() - plain.entries[0]->body.nodes.size();
    const std::vector<std::byte> tight_file = emit(tight);
    EXPECT_TRUE(bits_of(tight_file, c) == want) << again << " nodes computed again";
    EXPECT_TRUE(bits_of(tight_file, c, Memory::Poisoned, 2) == want) << again << " nodes computed again, NaN in memory that is free";
    EXPECT_LE(needs_of(tight_file).max_live_bytes, live);
    std::printf("%-22s %9zu bytes of results; at once %llu, with %zu nodes again %llu\n", c.name.c_str(), want.size(),
                static_cast<unsigned long long>(live), again, static_cast<unsigned long long>(needs_of(tight_file).max_live_bytes));
    if (c.name != "mlp" && c.name != "vae") {
      EXPECT_GT(again, 0U);
    }
  }
}

// The poison is seen where a buffer is still read: the test above could fail.
TEST(StrictStep, PoisonIsSeen) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    ir::Model graph = optimised_step(c, 4, adamw());
    const std::vector<std::byte> file = emit(graph);
    std::vector<std::byte> early;
    try {
      early = bits_of(file, c, Memory::PoisonedEarly);
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), Error::IndexOutOfRange) << e.what();  // a poisoned index
    }
    EXPECT_FALSE(early == bits_of(file, c));
  }
}

// --- memory told beforehand

// Memory of exactly the told size between bytes that nobody may touch.
class Guarded {
 public:
  explicit Guarded(uint64_t bytes) : size_(static_cast<size_t>(bytes)), block_(bytes + 2 * kGuard) {}
  std::span<std::byte> span() const { return block_.span().subspan(kGuard, size_); }
  bool intact() const {
    const auto all = block_.span();
    const auto untouched = [](std::byte b) { return b == kUntouched; };
    return std::all_of(all.begin(), all.begin() + kGuard, untouched) && std::all_of(all.end() - kGuard, all.end(), untouched);
  }
  /// Bytes up to the last one that was written.
  size_t used() const {
    const auto s = span();
    size_t n = s.size();
    while (n > 0 && s[n - 1] == kUntouched) --n;
    return n;
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 4096;
  static constexpr std::byte kUntouched{0xa5};  // Block's
  size_t size_;
  Block block_;
};

TEST(StrictStep, MemoryIsWhatWasTold) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    ir::Model graph = optimised_step(c, 4, momentum());
    const std::vector<std::byte> file = emit(graph);
    Threads threads(2);
    const SessionOptions options = Loaded::with(threads.parallel());
    const Tables tables = default_tables(false);
    Loaded loaded(file, options, tables);
    const Block work(work_bytes(*loaded.program, tables));
    MemoryNeeds needs;
    ErrorDetail detail;
    ASSERT_EQ(memory_needs(*loaded.program, "main", tables, options, work.span(), needs, &detail), Error::Ok) << detail.text;
    const Guarded records(needs.session_bytes), activations(needs.activation_bytes), scratch(needs.scratch_bytes), state_memory(needs.state_bytes);
    auto state = State::create(*loaded.program, state_memory.span(), &detail);
    ASSERT_TRUE(state.ok()) << detail.text;
    const auto create = [&](size_t activation_bytes, size_t scratch_bytes) {
      return Session::create(*loaded.program, "main", *loaded.weights, &*state, tables, options,
                             {records.span(), activations.span().first(activation_bytes), scratch.span().first(scratch_bytes), {}}, &detail);
    };
    EXPECT_EQ(create(needs.activation_bytes - 1, needs.scratch_bytes).error(), Error::BufferTooSmall);
    if (needs.scratch_bytes > 0) {
      EXPECT_EQ(create(needs.activation_bytes, needs.scratch_bytes - 1).error(), Error::BufferTooSmall);
    }
    auto session = create(needs.activation_bytes, needs.scratch_bytes);
    ASSERT_TRUE(session.ok()) << detail.text;
    for (int step = 0; step < kSteps; ++step) {
      set_batch(*session, c, static_cast<uint64_t>(step));
      ASSERT_EQ(session->run(&detail), Error::Ok) << detail.text;
    }
    for (const Guarded* g : {&records, &activations, &scratch, &state_memory}) EXPECT_TRUE(g->intact());
    // the highest tensor has its tail and padding behind it
    EXPECT_GT(activations.used() + kTailBytes + kAlignment, needs.activation_bytes);
    EXPECT_GE(needs.activation_bytes, needs.max_live_bytes);
    EXPECT_LE(static_cast<double>(needs.activation_bytes), 1.1 * static_cast<double>(needs.max_live_bytes));
  }
}

// --- activations kept in bfloat16

// Linear layers with `between` them: [64, 64] to 4 classes.
StepNet tower(const std::string& name, const std::function<std::shared_ptr<nn::Module>()>& between) {
  return {name, 4, [between](int64_t n) {
            const auto net = std::make_shared<nn::Sequential>();
            for (int k = 0; k < 12; ++k) {
              net->append(std::make_shared<nn::Linear>(64, 64));
              net->append(between());
            }
            net->append(std::make_shared<nn::Linear>(64, 4));
            return classifier(net, n, {64});
          }};
}

std::vector<double> losses_of(const StepNet& c, int64_t batch, DType kept, int steps) {
  ir::Model graph = optimised_step(c, batch, adamw(), {}, 0, kept);
  const std::vector<std::byte> file = emit(graph);
  Loaded loaded(file, Loaded::with(), default_tables(false));
  Running running(loaded);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    set_batch(running.session, c, 1);
    run_or_throw(running.session);
    losses.push_back(static_cast<double>(*running.session.output(0).as<float>()));
  }
  return losses;
}

TEST(StrictStep, ActivationsInBfloat16) {
  constexpr int64_t kBatch = 8;
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    ir::Model wide = optimised_step(c, kBatch, adamw()), narrow = optimised_step(c, kBatch, adamw(), {}, 0, DType::BF16);
    const std::vector<std::byte> file = emit(narrow);
    const double before = static_cast<double>(needs_of(emit(wide)).max_live_bytes), after = static_cast<double>(needs_of(file).max_live_bytes);
    const std::vector<double> exact = losses_of(c, kBatch, DType::F32, 10), rounded = losses_of(c, kBatch, DType::BF16, 10);
    std::printf("%-22s %9.0f bytes alive at once instead of %9.0f; loss %.4f, %.4f after 10 steps instead of %.4f, %.4f\n", c.name.c_str(), after, before,
                rounded[0], rounded.back(), exact[0], exact.back());
    EXPECT_LE(after, before);  // some nets take most in one node of the forward part, or are all small tensors
    if (c.name == "char_gpt" || c.name == "resnet" || c.name == "unet" || c.name == "efficientnet") {
      EXPECT_LT(after, 0.75 * before);
      const std::vector<std::byte> want = bits_of(file, c);
      EXPECT_TRUE(bits_of(file, c, Memory::Apart) == want) << "each tensor in memory of its own";
      EXPECT_TRUE(bits_of(file, c, Memory::Poisoned, 2) == want) << "NaN in memory that is free, two threads";
    }
    // a rounding is 2^-9; of a mean over a batch
    EXPECT_NEAR(rounded[0], exact[0], 0.005 * exact[0]);
    EXPECT_LT(rounded.back() - exact.back(), 0.1 * (exact[0] - exact.back()));  // nine tenths of the way, at least
  }
}

// What a product's gradient by its weight reads is rounded to bfloat16, and nothing else is.
TEST(StrictStep, OnlyWhatWaitsIsRounded) {
  const StepNet c = tower("tanh", [] { return std::make_shared<nn::Tanh>(); });
  ir::Model graph = optimised_step(c, 64, momentum(), {}, 0, DType::BF16);
  const auto& nodes = graph.entries[0]->body.nodes;
  size_t narrowed = 0;
  for (const auto& n : nodes) {
    if (!n->is<op::Cast>() || graph.entries[0]->value(n->outputs[0]).dtype != DType::BF16) continue;
    ++narrowed;
    for (const auto& reader : nodes) {
      const bool reads_wide = std::find(reader->inputs.begin(), reader->inputs.end(), n->inputs[0]) != reader->inputs.end();
      EXPECT_TRUE(!reads_wide || reader.get() == n.get()) << reader->name << " reads what was to be rounded";
    }
  }
  EXPECT_EQ(narrowed, 12U);
  PassOptions other = step_passes();
  other.kept = DType::F16;
  EXPECT_THROW(run_passes(graph, other), Exception);
}

// --- masks

uint64_t planned(const StepNet& c, int64_t batch = 64) {
  ir::Model graph = optimised_step(c, batch, momentum());
  return needs_of(emit(graph)).activation_bytes;
}

// The gradient of dropout draws its mask again: nothing waits for it. The tower of ReLUs keeps one tensor per layer, as this one does.
TEST(StrictStep, DropoutKeepsNoMask) {
  const StepNet relu = tower("relu", [] { return std::make_shared<nn::ReLU>(); });
  const StepNet drop = tower("dropout", [] { return std::make_shared<nn::Dropout>(0.3); });
  const uint64_t without = planned(relu), with = planned(drop);
  std::printf("planned bytes: relu %llu, dropout %llu\n", static_cast<unsigned long long>(without), static_cast<unsigned long long>(with));
  EXPECT_LE(with, without + without / 50);
  ir::Model graph = optimised_step(drop, 64, momentum());
  for (const auto& n : graph.entries[0]->body.nodes) EXPECT_TRUE(std::string_view(n->def->info.name) != "dropout" || n->outputs.size() == 1);
}

int count_of(const ir::Model& graph, const char* op) {
  int count = 0;
  for (const auto& n : graph.entries[0]->body.nodes) count += std::string_view(n->def->info.name) == op ? 1 : 0;
  return count;
}

// Where a clip was inside its bounds cannot be seen from its result: one bit per element waits, beside the 32 of the result.
TEST(StrictStep, ComparisonsAreMadeEarly) {
  const StepNet relu = tower("relu", [] { return std::make_shared<nn::ReLU>(); });
  const StepNet relu6 = tower("relu6", [] { return std::make_shared<nn::ReLU6>(); });
  const uint64_t plain = planned(relu), clipped = planned(relu6);
  std::printf("planned bytes: relu %llu, relu6 %llu\n", static_cast<unsigned long long>(plain), static_cast<unsigned long long>(clipped));
  EXPECT_LE(static_cast<double>(clipped), 1.12 * static_cast<double>(plain));  // 33/32 and what is alive for a moment; 5/4 with bytes, 2 with the operands kept
}

std::shared_ptr<nn::Module> function(std::function<Tensor(const Tensor&)> f) { return std::make_shared<nn::Lambda>(std::move(f)); }

// Bit for bit the same as without passes, in memory that is shared, apart or poisoned, on several threads.
TEST(StrictStep, MasksWaitAsBits) {
  struct Case {
    StepNet net;
    int packed;   // of the masks of twelve layers; the last is read while the most is alive
  };
  const Case cases[] = {
      {tower("relu", [] { return std::make_shared<nn::ReLU>(); }), 0},                       // its result tells
      {tower("relu6", [] { return std::make_shared<nn::ReLU6>(); }), 11},
      {tower("clamp", [] { return function([](const Tensor& x) { return clamp(x, -0.5, 0.25); }); }), 11},
      {tower("leaky_relu", [] { return std::make_shared<nn::LeakyReLU>(0.1); }), 11},
      {tower("abs", [] { return function([](const Tensor& x) { return abs(x); }); }), 0},           // the sign, one of three, of what is kept
      {tower("prelu", [] { return std::make_shared<nn::PReLU>(); }), 0},                     // the operand is kept for the gradient by the slope
      {tower("where", [] { return function([](const Tensor& x) { return where(apply<op::Less>({Tensor::scalar(0.1), x}), x * 2, x); }); }), 11},
  };
  for (const auto& [net, packed] : cases) {
    SCOPED_TRACE(net.name);
    ir::Model fast = optimised_step(net, 64, momentum()), slow = step_graph(net, 64, momentum());
    const int masks = count_of(fast, "pack_bits");
    EXPECT_EQ(masks, packed);
    EXPECT_GE(count_of(fast, "unpack_bits"), masks);
    const std::vector<std::byte> file = emit(fast), want = bits_of(emit(slow), net);
    for (const Memory memory : {Memory::Planned, Memory::Apart, Memory::Poisoned}) EXPECT_TRUE(bits_of(file, net, memory) == want);
    EXPECT_TRUE(bits_of(file, net, Memory::Planned, 3) == want);
    ir::Model tight = optimised_step(net, 64, momentum(), {}, needs_of(file).max_live_bytes * 6 / 10);
    EXPECT_TRUE(bits_of(emit(tight), net, Memory::Poisoned) == want) << "computed again";
    std::printf("%-12s %d masks as bits, %llu bytes planned\n", net.name.c_str(), masks, static_cast<unsigned long long>(planned(net)));
  }
}

// A mask that is small, or lies beside the peak, stays what it is.
TEST(StrictStep, SmallMasksStay) {
  const StepNet net = tower("relu6", [] { return std::make_shared<nn::ReLU6>(); });
  EXPECT_EQ(count_of(optimised_step(net, 32, momentum()), "pack_bits"), 0);  // 2 kB each
}

// What a step of a published net takes, in whole kilobytes; trainer/step/README.md has the table.
TEST(StrictStep, PlannedBytesOfPublishedNets) {
  using namespace models;
  const StepNet nets[] = {
      {"MobileNetV2-0.35, 1 x 128 x 128", 1000, [](int64_t n) { return classifier(std::make_shared<MobileNetV2>(MobileNetV2Options{.width = 0.35}), n, {3, 128, 128}); }},
      {"ResNet-18, 1 x 64 x 64", 1000, [](int64_t n) { return classifier(std::make_shared<ResNet>(resnet18()), n, {3, 64, 64}); }},
      {"UNet of width 16, 1 x 64 x 64", 2, [](int64_t n) { return classifier(std::make_shared<UNet>(UNetOptions{.width = 16}), n, {3, 64, 64}, {64, 64}); }}};
  for (const StepNet& c : nets) {
    ir::Model graph = optimised_step(c, 1, momentum());
    const MemoryNeeds needs = needs_of(emit(graph));
    std::printf("%-32s %llu kB planned, %llu kB alive at once\n", c.name.c_str(), static_cast<unsigned long long>(needs.activation_bytes / 1000),
                static_cast<unsigned long long>(needs.max_live_bytes / 1000));
    EXPECT_LE(static_cast<double>(needs.activation_bytes), 1.1 * static_cast<double>(needs.max_live_bytes));
  }
}

// --- XNNPACK hides NaN and denormals

int xnnpack_nodes(const Session& s) {
  int count = 0;
  for (int i = 0; i < s.node_count(); ++i) count += std::string_view(s.node(i).kernel).ends_with("_xnnpack") ? 1 : 0;
  return count;
}

TEST(StrictStep, NeverOnXnnpack) {
  try {
    (void)default_tables(true, "xnnpack");
  } catch (const Exception&) {
    GTEST_SKIP() << "this build has no XNNPACK";
  }
  ModelOptions options;
  options.prefer = "xnnpack";
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    ir::Model step = optimised_step(c, 4, momentum());
    Model model = Model::from_bytes(emit(step), options);
    EXPECT_GT(model.session().node_count(), 0);
    EXPECT_EQ(xnnpack_nodes(model.session()), 0);
  }
  // where it may be, it is
  const Training t = all_nets()[1].make(4);
  t.net->eval();
  ir::Model graph = trace_call({t.inputs[0]}, t.net->full_state(), [&] { return NamedTensors{{"y", (*t.net)(t.inputs[0].second)}}; }, {.frozen = true});
  PassOptions passes;
  passes.evaluator = make_evaluator(default_tables(false));
  run_passes(graph, passes);
  Model model = Model::from_bytes(emit(graph), options);
  EXPECT_GT(xnnpack_nodes(model.session()), 0);
}

}  // namespace
}  // namespace gf::test
