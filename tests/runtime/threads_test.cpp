// needs: GF_CONVERTER GF_OPS_CPU
// Sessions in parallel over one Program and Weights, Busy, cancellation from another thread, order of the profile hook.
// The thread sanitizer runs this file (run.sh --all).
#include <atomic>
#include <thread>

#include "tests/runtime/session_support.h"

namespace gf::test {
namespace {

TEST(Threads, SessionsWithPoolsOfTheirOwnRunAtTheSameTime) {
  Loaded l(convert_digits(1, 4));
  Running alone(l);
  std::vector<std::vector<HostTensor>> expected;
  for (uint64_t k = 0; k < 4; ++k) expected.push_back(run(alone.session, {{"image", digits_input(1 + static_cast<int64_t>(k), k)}}));
  std::atomic<int> wrong{0}, runs{0};
  std::vector<std::thread> workers;
  for (size_t k = 0; k < 4; ++k)
    workers.emplace_back([&, k] {
      Threads pool(2);
      SessionOptions o = l.options;
      o.parallel = pool.parallel();
      Running r(l, "main", o);
      const HostTensor x = digits_input(1 + static_cast<int64_t>(k), k);
      for (int i = 0; i < 50; ++i) {
        if (!(run(r.session, {{"image", x}}) == expected[k])) ++wrong;
        ++runs;
      }
    });
  for (std::thread& t : workers) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(runs, 200);
}

TEST(Threads, SessionsThatShareAPoolTakeTurns) {
  Threads pool(2);
  Loaded l(convert_digits(1, 1), Loaded::with(pool.parallel()));
  Running alone(l);
  const HostTensor x = digits_input(1);
  const auto expected = run(alone.session, {{"image", x}});
  std::atomic<int> wrong{0};
  std::vector<std::thread> workers;
  for (int k = 0; k < 3; ++k)
    workers.emplace_back([&] {
      Running r(l);
      for (int i = 0; i < 30; ++i)
        if (!(run(r.session, {{"image", x}}) == expected)) ++wrong;
    });
  for (std::thread& t : workers) t.join();
  EXPECT_EQ(wrong, 0);
}

struct Gate {
  std::atomic<bool> inside{false}, open{false};
};

// Holds the session inside run() until the gate opens.
ProfileHook hold_at(Gate& gate) {
  ProfileHook h;
  h.now_ns = [] { return uint64_t{0}; };
  h.context = &gate;
  h.after_node = [](void* c, int32_t node, uint64_t, uint64_t) {
    if (node != 0) return;
    static_cast<Gate*>(c)->inside = true;
    while (!static_cast<Gate*>(c)->open) std::this_thread::yield();
  };
  return h;
}

TEST(Threads, ASecondThreadInOneSessionIsToldBusy) {
  Loaded l(convert_digits(1, 1));
  Gate gate;
  SessionOptions o = l.options;
  o.profile = hold_at(gate);
  Running r(l, "main", o);
  set_input(r.session, "image", digits_input(1));
  Error first = Error::Internal;
  std::thread runner([&] { first = r.session.run(); });
  while (!gate.inside) std::this_thread::yield();
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::Busy);
  EXPECT_FALSE(std::string(d.text).empty());
  gate.open = true;
  runner.join();
  EXPECT_EQ(first, Error::Ok);
  EXPECT_EQ(r.session.run(), Error::Ok);
}

TEST(Threads, CancellationFromAnotherThreadIsHeardAtTheNextNode) {
  Loaded l(convert_digits(1, 1));
  Gate gate;
  std::atomic<bool> cancel{false};
  SessionOptions o = l.options;
  o.profile = hold_at(gate);
  o.cancel = &cancel;
  Running r(l, "main", o);
  set_input(r.session, "image", digits_input(1));
  ErrorDetail d;
  Error result = Error::Ok;
  std::thread runner([&] { result = r.session.run(&d); });
  while (!gate.inside) std::this_thread::yield();
  cancel = true;
  gate.open = true;
  runner.join();
  EXPECT_EQ(result, Error::Cancelled);
  EXPECT_EQ(d.node, 1);
  cancel = false;
  EXPECT_EQ(r.session.run(&d), Error::Ok) << d.text;
}

TEST(Threads, ProfileHookSeesEveryNodeInOrder) {
  Loaded l(convert_digits(1, 1));
  struct Seen {
    std::vector<int32_t> nodes;
    uint64_t last_end = 0;
    bool ordered = true;
  } seen;
  SessionOptions o = l.options;
  o.profile.context = &seen;
  o.profile.now_ns = [] {
    static uint64_t t = 0;
    return ++t;
  };
  o.profile.after_node = [](void* c, int32_t node, uint64_t begin, uint64_t end) {
    auto& s = *static_cast<Seen*>(c);
    s.nodes.push_back(node);
    s.ordered = s.ordered && begin > s.last_end && end > begin;
    s.last_end = end;
  };
  Running r(l, "main", o);
  run(r.session, {{"image", digits_input(1)}});
  std::vector<int32_t> all;
  for (int i = 0; i < r.session.node_count(); ++i) all.push_back(i);
  EXPECT_EQ(seen.nodes, all);
  EXPECT_TRUE(seen.ordered);
  seen.nodes.clear();
  r.session.set_profile({});
  run(r.session, {{"image", digits_input(1)}});
  EXPECT_TRUE(seen.nodes.empty());
}

}  // namespace
}  // namespace gf::test
