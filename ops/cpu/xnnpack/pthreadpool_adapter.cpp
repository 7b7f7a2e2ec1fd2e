#include "ops/cpu/xnnpack/pthreadpool_adapter.h"

#include <atomic>

namespace gf::xnnpack {
namespace {

// The pools whose tasks this thread is running, innermost first. pthreadpool would deadlock on a nested call.
struct Frame {
  const void* pool;
  int worker;
  const Frame* outer;
};
thread_local const Frame* t_frames = nullptr;

const Frame* frame_of(const void* pool) {
  for (const Frame* frame = t_frames; frame != nullptr; frame = frame->outer)
    if (frame->pool == pool) return frame;
  return nullptr;
}

struct Job {
  const void* pool;
  int64_t tasks;
  ParallelFor::Body body;
  void* argument;
  alignas(64) std::atomic<int64_t> next{0};
};

// pthreadpool's tasks carry no thread number. So it gets one item per thread, whose index is the worker number (each
// item runs exactly once, so no two share it), and every item claims our tasks until there are none left.
void work(void* context, size_t item) {
  Job& job = *static_cast<Job*>(context);
  const int worker = static_cast<int>(item);
  const Frame frame{job.pool, worker, t_frames};
  t_frames = &frame;
  for (;;) {
    const int64_t task = job.next.fetch_add(1, std::memory_order_relaxed);
    if (task >= job.tasks) break;
    job.body(job.argument, task, worker);
  }
  t_frames = frame.outer;
}

void run_tasks(void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
  if (tasks <= 0) return;
  if (const Frame* frame = frame_of(context); frame != nullptr) {
    for (int64_t task = 0; task < tasks; ++task) body(argument, task, frame->worker);
    return;
  }
  const auto pool = static_cast<pthreadpool_t>(context);
  Job job{context, tasks, body, argument};
  pthreadpool_parallelize_1d(pool, &work, &job, pthreadpool_get_threads_count(pool), 0);
}

}  // namespace

ParallelFor parallel_for(pthreadpool_t pool) {
  if (pool == nullptr) return {};
  const size_t threads = pthreadpool_get_threads_count(pool);
  if (threads <= 1) return {};
  return {&run_tasks, pool, static_cast<int>(threads)};
}

pthreadpool_t pool_of(const ParallelFor& parallel) {
  if (parallel.run_tasks != &run_tasks || frame_of(parallel.context) != nullptr) return nullptr;
  return static_cast<pthreadpool_t>(parallel.context);
}

}  // namespace gf::xnnpack
