// A small fixed thread pool behind gf::ParallelFor (runtime/kernel/parallel.h), for sessions that want their own threads.
// Ownership: the caller gives the storage and keeps it alive until destroy(); thread stacks come from the system at create.
// Thread rule: run() may be called from any thread; calls on one pool take turns. create/destroy are not concurrent with run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/core/error.h"
#include "runtime/core/result.h"

namespace gf {

/// Fixed number of workers that sleep when idle. Nothing allocates after create().
/// Fits ParallelFor as `{&ThreadPool::run, pool, pool->threads()}`.
class ThreadPool {
 public:
  /// Same signature as ParallelFor::Body.
  using Body = void (*)(void* argument, int64_t task, int worker);

  static constexpr int kMaxThreads = 1024;
  static constexpr size_t kAlignment = 64;
  /// How long an idle thread looks for work before it sleeps: longer than the gap between two nodes of a graph, shorter
  /// than what a scheduler or a battery would notice.
  static constexpr int64_t kDefaultSpinNanoseconds = 50'000;

  /// Bytes of storage for a pool of `threads` (the caller's own thread counts as one of them). 0 when out of range.
  static size_t bytes_needed(int threads);

  /// Builds a pool in `memory` (>= bytes_needed(threads), aligned to kAlignment) and starts threads - 1 workers.
  /// Errors: InvalidArgument (threads outside [1, kMaxThreads]), BufferTooSmall, Misaligned, OutOfMemory (the system
  /// refused a thread; those already started are stopped again).
  static Result<ThreadPool*> create(std::span<std::byte> memory, int threads, ErrorDetail* detail = nullptr,
                                    int64_t spin_nanoseconds = kDefaultSpinNanoseconds);

  /// Stops and joins the workers. The storage is the caller's again. No run() may be in progress. Accepts nullptr.
  static void destroy(ThreadPool* pool);

  /// Threads that run tasks: the caller of run() (worker 0) and the pool's own (1 to threads - 1).
  int threads() const { return threads_; }

  /// ParallelFor::Run; `context` is the ThreadPool. Tasks are claimed one by one, so uneven tasks balance themselves.
  /// A call from inside a task of the same pool runs serially on that thread, under its worker number. A task may use
  /// another pool, unless that pool is itself waiting for this task (which would be a deadlock).
  static void run(void* context, int64_t tasks, Body body, void* argument);

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

 private:
  struct Shared;  // what the threads share, behind this object in the caller's storage

  ThreadPool(Shared* shared, int threads) : shared_(shared), threads_(threads) {}
  ~ThreadPool() = default;

  Shared* shared_;
  int threads_;
};

}  // namespace gf
