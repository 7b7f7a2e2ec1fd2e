// How kernels use threads: a parallel_for passed in by value. The default is serial; the pool in runtime/platform, the
// pthreadpool adapter in ops/cpu/xnnpack and a caller's own function all fit behind it.
#pragma once

#include <cstdint>
#include <type_traits>

namespace gf {

/// parallel_for by value. Not owned: `context` must outlive every Session that was given it.
/// Contract of `run`: calls body(argument, task, worker) exactly once for each task in [0, tasks), from any thread,
/// in any order, and returns when all are done (with acquire/release ordering both ways). `worker` is in
/// [0, threads) and no two calls running at the same time share one, so it can index per-worker scratch.
/// It neither allocates nor throws. Two calls of `run` on one context from two threads take turns.
///
/// Kernels split work by output, and their number of tasks may depend on shapes but results must not depend on
/// `threads`: that is what makes outputs equal bit for bit for every thread count.
struct ParallelFor {
  using Body = void (*)(void* argument, int64_t task, int worker);
  using Run = void (*)(void* context, int64_t tasks, Body body, void* argument);

  Run run_tasks = nullptr;  ///< nullptr: serial, on the calling thread
  void* context = nullptr;
  int threads = 1;

  /// f(task, worker) for each task. `f` is any callable; it is not copied.
  template <class F>
  void operator()(int64_t tasks, F&& f) const {
    each(
        tasks,
        [](void* argument, int64_t task, int worker) {
          (*static_cast<std::remove_reference_t<F>*>(argument))(task, worker);
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

  /// f(begin, end, worker) over [0, count) cut in fixed chunks of `grain` (the last may be shorter).
  template <class F>
  void chunks(int64_t count, int64_t grain, F&& f) const {
    each_chunk(
        count, grain,
        [](void* argument, int64_t begin, int64_t end, int worker) {
          (*static_cast<std::remove_reference_t<F>*>(argument))(begin, end, worker);
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  // One copy each for all callers, of which there are hundreds: the code of a task is a function either way.
  [[gnu::noinline]] void each(int64_t tasks, Body body, void* argument) const {
    if (run_tasks == nullptr || threads <= 1 || tasks <= 1) {
      for (int64_t i = 0; i < tasks; ++i) body(argument, i, 0);
      return;
    }
    run_tasks(context, tasks, body, argument);
  }

  using ChunkBody = void (*)(void* argument, int64_t begin, int64_t end, int worker);
  [[gnu::noinline]] void each_chunk(int64_t count, int64_t grain, ChunkBody body, void* argument) const {
    if (count <= 0) return;
    const int64_t step = grain < 1 ? 1 : grain;
    auto chunk = [&](int64_t task, int worker) {
      const int64_t begin = task * step;
      body(argument, begin, begin + step < count ? begin + step : count, worker);
    };
    (*this)((count + step - 1) / step, chunk);
  }
};

}  // namespace gf
