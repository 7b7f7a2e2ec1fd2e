// Workers sleep in memory.atomic.wait on a counter of rounds; the thread that runs a session opens a round, takes tasks like
// everybody and waits until the last worker has left the round: a page's own thread may not sleep and looks again and again, any other
// sleeps after a while, so that a worker without a processor gets this one.
#include "web/module/pool.h"

#include <atomic>

#include "web/module/export.h"

// performance.now(), in milliseconds.
extern "C" __attribute__((import_module("env"), import_name("gfw_now"))) double gfw_now();

// What the standard library calls where it would throw. A trap, which the loader reports as Internal.
extern "C" __attribute__((noreturn)) void abort() { __builtin_trap(); }

namespace gf::web {

uint64_t now_nanoseconds() { return static_cast<uint64_t>(gfw_now() * 1e6); }

#ifdef __wasm_atomics__
namespace {

struct Pool {
  std::atomic<int32_t> round{0};     // even: closed, odd: open; workers sleep on it
  std::atomic<int32_t> inside{0};    // workers that may be reading the fields below
  std::atomic<int32_t> sleeping{0};  // workers that sleep, or are about to
  std::atomic<int32_t> caller_sleeps{0};  // the same of the thread that runs a session
  std::atomic<int32_t> waiting{0};   // workers that have arrived in gfw_worker
  std::atomic<int32_t> stop{0};
  std::atomic<int64_t> next{0};
  bool caller_may_sleep = false;
  int64_t tasks = 0;
  ParallelFor::Body body = nullptr;
  void* argument = nullptr;
};
constinit Pool g_pool;

// How often an idle worker looks before it sleeps: about 50 microseconds, longer than the gap between two nodes. The caller looks for
// about a millisecond: who sleeps on a busy machine loses its turn (with 50 microseconds, MobileNetV2 on two threads took 16.5 ms
// instead of 12 beside two compilers).
constexpr int kSpins = 20000, kCallerSpins = 400000;

int32_t* address(std::atomic<int32_t>& counter) { return reinterpret_cast<int32_t*>(&counter); }

// Sleepers say so before they look at the counter a last time, and who changes the counter looks for them afterwards: nobody is missed.
void next_round(int step) {
  g_pool.round.fetch_add(step);
  if (g_pool.sleeping.load() != 0) __builtin_wasm_memory_atomic_notify(address(g_pool.round), ~0U);
}

void leave() {
  if (g_pool.inside.fetch_sub(1) == 1 && g_pool.caller_sleeps.load() != 0) __builtin_wasm_memory_atomic_notify(address(g_pool.inside), ~0U);
}

// Once seen, zero is enough: who enters later finds the round closed and leaves. (Looking twice sent a page's own thread to sleep, which
// traps, when a late worker came in between.)
void wait_for_workers() {
  for (int spins = 0; g_pool.inside.load() != 0; ++spins) {
    if (spins < kCallerSpins || !g_pool.caller_may_sleep) continue;
    g_pool.caller_sleeps.store(1);
    for (int32_t inside; (inside = g_pool.inside.load()) != 0;) __builtin_wasm_memory_atomic_wait32(address(g_pool.inside), inside, -1);
    g_pool.caller_sleeps.store(0);
    return;
  }
}

void take_tasks(int worker) {
  const int64_t tasks = g_pool.tasks;
  for (int64_t task; (task = g_pool.next.fetch_add(1, std::memory_order_relaxed)) < tasks;) g_pool.body(g_pool.argument, task, worker);
}

void run(void*, int64_t tasks, ParallelFor::Body body, void* argument) {
  g_pool.body = body;
  g_pool.argument = argument;
  g_pool.tasks = tasks;
  g_pool.next.store(0, std::memory_order_relaxed);
  next_round(1);
  take_tasks(0);
  g_pool.round.fetch_add(1);
  wait_for_workers();
}

}  // namespace

ParallelFor pool_parallel(int threads) { return threads > 1 ? ParallelFor{&run, nullptr, threads} : ParallelFor{}; }

/// Body of worker number `worker` (1 and up): returns when gfw_stop was called. Its instance has a stack of its own by then.
GF_WEB_EXPORT(void, gfw_worker)(int32_t worker) {
  g_pool.waiting.fetch_add(1);
  int32_t seen = 0;
  while (g_pool.stop.load() == 0) {
    int32_t round = g_pool.round.load();
    for (int spins = 0; round == seen && spins < kSpins; ++spins) round = g_pool.round.load(std::memory_order_relaxed);
    if (round == seen) {
      g_pool.sleeping.fetch_add(1);
      __builtin_wasm_memory_atomic_wait32(address(g_pool.round), round, -1);
      g_pool.sleeping.fetch_sub(1);
      continue;
    }
    // Enter first, look then: who closes a round waits for everybody who might have seen it open.
    g_pool.inside.fetch_add(1);
    seen = g_pool.round.load();
    if ((seen & 1) != 0) take_tasks(worker);
    leave();
  }
  g_pool.waiting.fetch_sub(1);
}
GF_WEB_EXPORT(int32_t, gfw_workers_waiting)() { return g_pool.waiting.load(); }
/// Of a worker whose gfw_worker trapped, called by what caught that: nobody waits for it any more. Its task was not done, so after a
/// run with fewer workers waiting than were started the answer is void.
GF_WEB_EXPORT(void, gfw_worker_lost)() {
  g_pool.waiting.fetch_sub(1);
  leave();
}
/// Whether the thread that runs sessions may sleep; a page's own may not.
GF_WEB_EXPORT(void, gfw_caller_may_sleep)(int32_t may) { g_pool.caller_may_sleep = may != 0; }
GF_WEB_EXPORT(void, gfw_stop)() {
  g_pool.stop.store(1);
  next_round(2);
}
#else
ParallelFor pool_parallel(int) { return {}; }
#endif

}  // namespace gf::web
