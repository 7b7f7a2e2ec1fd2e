// needs: GF_CONVERTER GF_OPS_CPU
// memory_needs: the promised bytes work, one byte less of any kind is a clean error, activations are near the lower bound.
#include <iostream>

#include "tests/runtime/session_support.h"
#include "tests/runtime/try_file.h"

namespace gf::test {
namespace {

struct Sizes {
  uint64_t work, weights, create, state, session, activations, scratch, pool;
};

struct Case {
  std::string name;
  std::vector<std::byte> bytes;
  std::vector<int64_t> shape = {};  // of input 0; empty: the upper bounds
};

// Sets everything up with exactly these sizes and runs once.
Error set_up(const Program& program, const Tables& tables, const SessionOptions& o, const Sizes& s, const Case& c, std::string& text) {
  ErrorDetail d;
  const auto done = [&](Error e) {
    text = d.text;
    return e;
  };
  const Block work(s.work), weights_memory(s.weights), create(s.create), state_memory(s.state);
  const Block session_memory(s.session), activations(s.activations), scratch(s.scratch), pool(s.pool);
  MemoryNeeds n;
  if (const Error e = memory_needs(program, program.entry_name(0), tables, o, work.span(), n, &d); e != Error::Ok) return done(e);
  auto weights = Weights::create(program, tables, o, weights_memory.span(), create.span(), work.span(), &d);
  if (!weights.ok()) return done(weights.error());
  std::optional<State> state;
  if (program.state_count() > 0) {
    auto made = State::create(program, state_memory.span(), &d);
    if (!made.ok()) return done(made.error());
    state = *made;
  }
  auto session = Session::create(program, program.entry_name(0), *weights, state ? &*state : nullptr, tables, o,
                                 {session_memory.span(), activations.span(), scratch.span(), pool.span()}, &d);
  if (!session.ok()) return done(session.error());
  if (!c.shape.empty())
    if (const Error e = session->set_input_shape(0, c.shape, &d); e != Error::Ok) return done(e);
  fill_inputs(*session, 0);
  return done(session->run(&d));
}

Sizes needs_of(const Program& p, const Tables& tables, const SessionOptions& o) {
  const uint64_t work = work_bytes(p, tables);
  const Block block(work);
  MemoryNeeds n;
  ErrorDetail d;
  Loaded::check(memory_needs(p, p.entry_name(0), tables, o, block.span(), n, &d), d);
  return {work, n.weights_bytes, n.create_bytes, n.state_bytes, n.session_bytes, n.activation_bytes, n.scratch_bytes, n.pool_bytes};
}

constexpr std::pair<const char*, uint64_t Sizes::*> kKinds[] = {
    {"work", &Sizes::work},       {"weights", &Sizes::weights},         {"create", &Sizes::create},   {"state", &Sizes::state},
    {"session", &Sizes::session}, {"activations", &Sizes::activations}, {"scratch", &Sizes::scratch}, {"pool", &Sizes::pool}};

std::vector<Case> files() {
  std::vector<Case> out{{"digits", convert_digits(1, 4)}};
  for (const char* name : {"lstm", "bert", "unet", "dscnn_kws"}) out.push_back({name, convert_net(read_net(source_path(std::string("tests/golden/") + name)))});
  out.push_back({"unet with odd bounds", convert_open_unet(), {2, 3, 32, 48}});
  ConvertOptions keep;
  keep.states = {{"hn", "h0"}, {"cn", "c0"}};
  out.push_back({"lstm with state", convert_net(read_net(source_path("tests/golden/lstm")), {}, keep)});
  return out;
}

TEST(Memory, PromisedBytesWorkAndOneLessDoesNot) {
  const Tables tables = default_tables(false);
  for (const Case& c : files()) {
    const auto& [name, bytes, shape] = c;
    Threads threads(2);
    const SessionOptions o = Loaded::with(threads.parallel());
    const Block file = Block::copy(bytes);
    const auto p = Program::load(file.span(), tables.ops);
    ASSERT_TRUE(p.ok());
    const Sizes exact = needs_of(*p, tables, o);
    std::string text;
    ASSERT_EQ(set_up(*p, tables, o, exact, c, text), Error::Ok) << name << ": " << text;
    for (const auto& [kind, field] : kKinds) {
      if (exact.*field == 0) continue;
      Sizes less = exact;
      less.*field -= 1;
      EXPECT_EQ(error_name(set_up(*p, tables, o, less, c, text)), std::string("BufferTooSmall")) << name << ", one byte less of " << kind << ": " << text;
      EXPECT_FALSE(text.empty());
    }
  }
}

TEST(Memory, EverySmallerSizeIsACleanError) {
  const Tables tables = default_tables(false);
  for (const Case& c : files()) {
    const auto& [name, bytes, shape] = c;
    const SessionOptions o = Loaded::with();
    const Block file = Block::copy(bytes);
    const auto p = Program::load(file.span(), tables.ops);
    ASSERT_TRUE(p.ok());
    const Sizes exact = needs_of(*p, tables, o);
    std::string text;
    for (const auto& [kind, field] : kKinds)
      for (uint64_t k = 0; k < 24; ++k) {
        Sizes less = exact;
        less.*field = exact.*field * k / 24;
        if (less.*field == exact.*field) continue;
        EXPECT_EQ(set_up(*p, tables, o, less, c, text), Error::BufferTooSmall) << name << ", " << less.*field << " bytes of " << kind << ": " << text;
      }
  }
}

TEST(Memory, MisalignedBlocksAreRefused) {
  Loaded l(convert_digits(1, 1));
  MemoryNeeds n;
  const Block work(work_bytes(*l.program, l.tables) + 64);
  ErrorDetail d;
  EXPECT_EQ(memory_needs(*l.program, "main", l.tables, l.options, work.span().subspan(8), n, &d), Error::Misaligned);
  ASSERT_EQ(memory_needs(*l.program, "main", l.tables, l.options, work.span(), n, &d), Error::Ok);
  const Block session(n.session_bytes + 64), activations(n.activation_bytes + 64), scratch(n.scratch_bytes + 64);
  const auto make = [&](size_t a, size_t b, size_t c) {
    return Session::create(*l.program, "main", *l.weights, nullptr, l.tables, l.options,
                           {session.span().subspan(a), activations.span().subspan(b), scratch.span().subspan(c), {}}, &d).error();
  };
  EXPECT_EQ(make(0, 0, 0), Error::Ok) << d.text;
  EXPECT_EQ(make(8, 0, 0), Error::Misaligned);
  EXPECT_EQ(make(0, 8, 0), Error::Misaligned);
  EXPECT_EQ(make(0, 0, 8), Error::Misaligned);
}

TEST(Memory, WeightsOfOtherOptionsAreRefused) {
  const auto file = convert_digits(1, 1);
  Loaded portable(file, SessionOptions()), tuned(file);
  if (tuned.options.isa == Isa::Portable) GTEST_SKIP() << "this build has one set of kernels only";
  Running r(tuned);
  ErrorDetail d;
  const auto made = Session::create(*tuned.program, "main", *portable.weights, nullptr, tuned.tables, tuned.options,
                                    {r.session_memory.span(), r.activations.span(), r.scratch.span(), {}}, &d);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error(), Error::InvalidArgument);
  EXPECT_NE(std::string(d.text).find("weights"), std::string::npos) << d.text;
}

TEST(Memory, ActivationsAreNearTheMostThatLivesAtOnce) {
  double worst = 0;
  for (const std::string& name : golden_names()) {
    Loaded l(convert_net(read_net(source_path("tests/golden/" + name))), Loaded::with({}, 1 << 20));
    Running r(l);
    const double ratio = static_cast<double>(r.needs.activation_bytes) / static_cast<double>(std::max<uint64_t>(1, r.needs.max_live_bytes));
    std::cout << name << ": activations " << r.needs.activation_bytes << ", at least " << r.needs.max_live_bytes << ", ratio " << ratio << '\n';
    EXPECT_LE(ratio, 1.25) << name;
    EXPECT_GE(ratio, 1.0) << name;
    worst = std::max(worst, ratio);
  }
  RecordProperty("worst_ratio_percent", static_cast<int>(worst * 100));
}

}  // namespace
}  // namespace gf::test
