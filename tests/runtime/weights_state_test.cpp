// needs: GF_CONVERTER GF_OPS_CPU
// Weights shared by sessions; State bound by --state, read, written and reset by name, and untouched by a failed run.
#include <atomic>

#include "tests/runtime/counter_file.h"
#include "tests/support/compare.h"

namespace gf::test {
namespace {

ConvertOptions gpt2_states() {
  ConvertOptions o;
  const TestNet net = read_net(source_path("tests/golden/gpt2_cached"));
  for (const std::string& name : net.output_names)
    if (name.starts_with("present")) o.states.emplace_back(name, "past" + name.substr(7));
  return o;
}

// Runs the sets in order with the state inside the model; the other outputs must be the expected ones.
void run_in_order(const std::string& name, const ConvertOptions& options) {
  ASSERT_FALSE(options.states.empty());
  const TestNet net = read_net(source_path("tests/golden/" + name));
  Loaded l(convert_net(net, {}, options));
  Running r(l);
  ASSERT_EQ(l.program->state_count(), static_cast<int>(options.states.size()));
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t set = 0; set < net.inputs.size(); ++set) {
      const auto out = run(r.session, net.inputs[set]);
      for (size_t i = 0; i < out.size(); ++i) {
        const auto name_of = std::string(l.program->output(0, static_cast<int>(i)).name);
        const auto at = std::find(net.output_names.begin(), net.output_names.end(), name_of);
        ASSERT_NE(at, net.output_names.end());
        const auto& expected = net.expected[set][static_cast<size_t>(at - net.output_names.begin())];
        EXPECT_TRUE(all_close(out[i].as<float>(), expected.as<float>(), {.relative = 1e-3, .absolute = 1e-4})) << name << " set " << set;
      }
      for (const auto& [output, input] : options.states) {  // the state is what the model would have given out
        const auto at = std::find(net.output_names.begin(), net.output_names.end(), output);
        const auto& expected = net.expected[set][static_cast<size_t>(at - net.output_names.begin())];
        std::vector<float> state(expected.data.size() / 4);
        ASSERT_EQ(l.state->read(input, state.data(), expected.data.size()), Error::Ok);
        EXPECT_TRUE(all_close(state, expected.as<float>(), {.relative = 1e-3, .absolute = 1e-4})) << name << " " << input;
      }
    }
    l.state->reset();
  }
}

TEST(State, Gpt2DecodesFourStepsWithItsCacheInside) { run_in_order("gpt2_cached", gpt2_states()); }
TEST(State, LstmStreamsThreeStepsWithItsStateInside) {
  ConvertOptions o;
  o.states = {{"hn", "h0"}, {"cn", "c0"}};
  run_in_order("lstm", o);
}

HostTensor index_of(int64_t i) { return HostTensor::from<int64_t>(std::vector<int64_t>{i}, {}); }

std::vector<float> total(const Loaded& l) {
  std::vector<float> v(2);
  EXPECT_EQ(l.state->read("total", v.data(), 8), Error::Ok);
  return v;
}

TEST(State, IsReadWrittenAndResetByName) {
  Loaded l(counter_file());
  Running r(l);
  EXPECT_EQ(total(l), (std::vector<float>{1, 2}));
  EXPECT_EQ(run(r.session, {{"index", index_of(0)}})[0].as<float>(), (std::vector<float>{2, 12}));
  EXPECT_EQ(total(l), (std::vector<float>{2, 12}));
  const float set[2] = {-1, -2};
  EXPECT_EQ(l.state->write("total", set, sizeof set), Error::Ok);
  EXPECT_EQ(run(r.session, {{"index", index_of(2)}})[0].as<float>(), (std::vector<float>{4, 48}));
  float runs = 0;
  EXPECT_EQ(l.state->read("runs", &runs, 4), Error::Ok);
  EXPECT_EQ(runs, 2);
  l.state->reset();
  EXPECT_EQ(total(l), (std::vector<float>{1, 2}));
  EXPECT_EQ(l.state->read("runs", &runs, 4), Error::Ok);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(l.state->read("nothing", &runs, 4), Error::NotFound);
  EXPECT_EQ(l.state->write("total", set, 4), Error::BufferTooSmall);
  EXPECT_EQ(l.state->find("runs"), 1);
}

TEST(State, IsUnchangedAfterAnError) {
  Loaded l(counter_file());
  Running r(l);
  run(r.session, {{"index", index_of(1)}});
  const auto before = total(l);
  set_input(r.session, "index", index_of(3));
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::IndexOutOfRange) << d.text;
  EXPECT_FALSE(std::string(d.text).empty());
  EXPECT_EQ(total(l), before);
  run(r.session, {{"index", index_of(-3)}});
  EXPECT_EQ(total(l), (std::vector<float>{before[0] + 1, before[1] + 10}));
}

// Cancels at node `at`, counted by the profile hook of the node before it.
TEST(State, CancellationBeforeTheFirstWriteLeavesItAsItWas) {
  Loaded l(counter_file());
  Running probe(l);
  const int nodes = probe.session.node_count();
  int cancelled = 0, finished = 0;
  for (int at = 0; at <= nodes; ++at) {
    l.state->reset();
    struct Context {
      std::atomic<bool> stop{false};
      int at = 0;
    } context;
    context.at = at;
    context.stop = at == 0;
    SessionOptions o = l.options;
    o.cancel = &context.stop;
    o.profile.now_ns = [] { return uint64_t{0}; };
    o.profile.context = &context;
    o.profile.after_node = [](void* c, int32_t node, uint64_t, uint64_t) {
      if (node + 1 == static_cast<Context*>(c)->at) static_cast<Context*>(c)->stop = true;
    };
    Running r(l, "main", o);
    set_input(r.session, "index", index_of(0));
    const Error e = r.session.run();
    float runs = -1;
    ASSERT_EQ(l.state->read("runs", &runs, 4), Error::Ok);
    if (e == Error::Cancelled) {
      ++cancelled;
      EXPECT_EQ(total(l), (std::vector<float>{1, 2})) << "cancelled at node " << at;
      EXPECT_EQ(runs, 0);
    } else {
      ASSERT_EQ(e, Error::Ok);
      ++finished;
      EXPECT_EQ(total(l), (std::vector<float>{2, 12})) << "finished, asked to stop at node " << at;
      EXPECT_EQ(runs, 1);
    }
  }
  EXPECT_GE(cancelled, 3);
  EXPECT_GE(finished, 1);
}

TEST(State, SessionsShareIt) {
  Loaded l(counter_file());
  Running a(l), b(l);
  run(a.session, {{"index", index_of(0)}});
  EXPECT_EQ(run(b.session, {{"index", index_of(0)}})[0].as<float>(), (std::vector<float>{3, 22}));
}

TEST(State, AnEntryThatNeedsItRefusesToDoWithout) {
  Loaded l(counter_file());
  Running r(l);
  ErrorDetail d;
  const auto made = Session::create(*l.program, "main", *l.weights, nullptr, l.tables, l.options,
                                    {r.session_memory.span(), r.activations.span(), r.scratch.span(), {}}, &d);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error(), Error::InvalidArgument);
}

TEST(Weights, AreSharedAndNeverWritten) {
  const TestNet net = read_net(source_path("tests/golden/dscnn_kws"));
  Loaded l(convert_net(net));
  const std::vector<std::byte> before(l.weights_memory.span().begin(), l.weights_memory.span().end());
  const std::vector<std::byte> file_before(l.file.span().begin(), l.file.span().end());
  Running a(l), b(l);
  const auto x = run(a.session, net.inputs[0]), y = run(b.session, net.inputs[0]);
  EXPECT_TRUE(x[0] == y[0]);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), l.weights_memory.span().begin()));
  EXPECT_TRUE(std::equal(file_before.begin(), file_before.end(), l.file.span().begin()));
}

TEST(Weights, MemoryThatHoldsSomethingElseIsRefused) {
  Loaded l(convert_net(read_net(source_path("tests/golden/dscnn_kws"))));
  const auto refused = [&](const Weights& weights) {
    Running r(l);
    ErrorDetail d;
    const auto made = Session::create(*l.program, "main", weights, nullptr, l.tables, l.options,
                                      {r.session_memory.span(), r.activations.span(), r.scratch.span(), {}}, &d);
    return !made.ok() && made.error() == Error::InvalidArgument && std::string(d.text).find("never created") != std::string::npos;
  };
  EXPECT_TRUE(refused(Weights()));
  const Weights weights = *l.weights;
  EXPECT_TRUE(weights.valid());
  const Block before = Block::copy(l.weights_memory.span());
  std::memset(l.weights_memory.span().data(), 0, 64);
  EXPECT_FALSE(weights.valid());
  std::memcpy(l.weights_memory.span().data(), before.span().data(), 64);
  std::memset(l.weights_memory.span().data(), 0x5a, 64);
  EXPECT_FALSE(weights.valid());
  EXPECT_EQ(weights.find(0, 1, 1), nullptr);
}

}  // namespace
}  // namespace gf::test
