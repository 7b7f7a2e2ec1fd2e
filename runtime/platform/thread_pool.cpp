// Protocol. One word (`state`) says whether a job is open and how many workers are inside it. A worker enters by a CAS
// that needs the open bit, claims tasks until the counter runs out, and leaves. The caller closes the job when the
// counter has run out and waits only for workers that are inside: one that is still asleep is never waited for.
// A worker that wakes late may enter a newer job than the one it was woken for; that is harmless, because everything
// about a job is read after entering.
#include "runtime/platform/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <new>

#include "runtime/platform/clock.h"

namespace gf {
namespace {

constexpr uint32_t kOpen = 1U << 31;          // a job accepts workers
constexpr uint32_t kCallerSleeps = 1U << 30;  // the last worker to leave must wake the caller
constexpr uint32_t kCountMask = kCallerSleeps - 1;
constexpr size_t kStackBytes = size_t{2} << 20;

// The pools whose tasks this thread is running, innermost first: finds nested calls.
struct Frame {
  const void* pool;
  int worker;
  const Frame* outer;
};
thread_local const Frame* t_frames = nullptr;

const Frame* find_frame(const void* pool) {
  for (const Frame* frame = t_frames; frame != nullptr; frame = frame->outer)
    if (frame->pool == pool) return frame;
  return nullptr;
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

/// Polls `ready` for about `nanoseconds`; true as soon as it holds.
template <class Ready>
bool spin_until(int64_t nanoseconds, Ready ready) {
  if (ready()) return true;
  if (nanoseconds <= 0) return false;
  const int64_t end = monotonic_ns() + nanoseconds;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (monotonic_ns() < end);
  return ready();
}

/// Threads that are started while it lives block all signals: a program's handlers run on its own threads.
class SignalsBlocked {
 public:
#if defined(_WIN32)  // has none that are delivered to a thread
  SignalsBlocked() {}
#else
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

 private:
  sigset_t old_;

 public:
#endif
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
};

class Lock {
 public:
  explicit Lock(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  ~Lock() { pthread_mutex_unlock(&mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t& mutex_;
};

}  // namespace

struct ThreadPool::Shared {
  struct Worker {
    pthread_t thread;
    Shared* shared;
    int index;
  };

  // Written by the caller while no worker is inside, read by workers after entering.
  Body body = nullptr;
  void* argument = nullptr;
  int64_t tasks = 0;

  const void* pool = nullptr;
  int64_t spin_nanoseconds = 0;
  Worker* workers = nullptr;
  int worker_count = 0;

  pthread_mutex_t turn;   // held for the whole of a run: sessions that share a pool take turns
  pthread_mutex_t mutex;  // guards the two condition variables only; no job data
  pthread_cond_t work;    // a job was opened, or stop
  pthread_cond_t done;    // the last worker left

  // Each on a line of its own: every claim writes `next`, every idle thread polls `generation`.
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  std::atomic<int32_t> sleepers{0};
  std::atomic<bool> stop{false};

  void claim(int worker) {
    const Frame frame{pool, worker, t_frames};
    t_frames = &frame;
    for (;;) {
      const int64_t task = next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) break;
      body(argument, task, worker);
    }
    t_frames = frame.outer;
  }

  bool enter() {
    uint32_t seen = state.load(std::memory_order_relaxed);
    while ((seen & kOpen) != 0)
      if (state.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    return false;
  }

  void leave() {
    const uint32_t before = state.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & kCallerSleeps) != 0 && (before & kCountMask) == 1) {
      const Lock lock(mutex);
      pthread_cond_signal(&done);
    }
  }

  /// Returns when a job newer than `seen` may be open, or on stop.
  void wait_for_work(uint32_t seen) {
    const auto changed = [&] { return generation.load(std::memory_order_seq_cst) != seen; };
    if (spin_until(spin_nanoseconds, changed)) return;
    const Lock lock(mutex);
    // seq_cst on both sides: either this thread sees the new generation, or open() sees this sleeper.
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    while (!changed()) pthread_cond_wait(&work, &mutex);
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }

  void work_loop(int index) {
    uint32_t seen = 0;
    for (;;) {
      wait_for_work(seen);
      seen = generation.load(std::memory_order_seq_cst);
      if (stop.load(std::memory_order_acquire)) return;
      if (!enter()) continue;
      claim(index);
      leave();
    }
  }

  void notify(int64_t wanted) {
    generation.fetch_add(1, std::memory_order_seq_cst);
    const int32_t asleep = sleepers.load(std::memory_order_seq_cst);
    if (asleep == 0) return;
    const Lock lock(mutex);
    if (wanted >= asleep) {
      pthread_cond_broadcast(&work);
    } else {
      for (int64_t i = 0; i < wanted; ++i) pthread_cond_signal(&work);
    }
  }

  void close_and_wait() {
    if ((state.fetch_and(~kOpen, std::memory_order_acq_rel) & kCountMask) == 0) return;
    const auto empty = [&] { return (state.load(std::memory_order_acquire) & kCountMask) == 0; };
    if (spin_until(spin_nanoseconds, empty)) return;
    {
      const Lock lock(mutex);
      state.fetch_or(kCallerSleeps, std::memory_order_acq_rel);
      while (!empty()) pthread_cond_wait(&done, &mutex);
    }
    state.store(0, std::memory_order_relaxed);  // closed and empty: nobody else writes it
  }

  void shut_down() {
    stop.store(true, std::memory_order_release);
    notify(kMaxThreads);
    for (int i = 0; i < worker_count; ++i) pthread_join(workers[i].thread, nullptr);
    pthread_cond_destroy(&done);
    pthread_cond_destroy(&work);
    pthread_mutex_destroy(&mutex);
    pthread_mutex_destroy(&turn);
  }

  /// Starts one worker; 0 or an errno value.
  int start(int index) {
    Worker* worker = new (&workers[index - 1]) Worker{{}, this, index};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    const int status = pthread_create(
        &worker->thread, &attributes,
        [](void* argument) -> void* {
          auto* self = static_cast<Worker*>(argument);
          self->shared->work_loop(self->index);
          return nullptr;
        },
        worker);
    pthread_attr_destroy(&attributes);
    if (status == 0) ++worker_count;
    return status;
  }
};

size_t ThreadPool::bytes_needed(int threads) {
  if (threads < 1 || threads > kMaxThreads) return 0;
  static_assert(alignof(Shared) <= kAlignment && sizeof(ThreadPool) <= kAlignment);
  return kAlignment + sizeof(Shared) + static_cast<size_t>(threads) * sizeof(Shared::Worker);
}

Result<ThreadPool*> ThreadPool::create(std::span<std::byte> memory, int threads, ErrorDetail* detail,
                                       int64_t spin_nanoseconds) {
  if (threads < 1 || threads > kMaxThreads)
    return GF_FAIL(detail, Error::InvalidArgument, -1, "thread pool: %d threads asked for; allowed are 1 to %d", threads,
                   kMaxThreads);
  if (memory.size() < bytes_needed(threads))
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "thread pool: storage of %zu bytes, %d threads need %zu",
                   memory.size(), threads, bytes_needed(threads));
  if (reinterpret_cast<uintptr_t>(memory.data()) % kAlignment != 0)
    return GF_FAIL(detail, Error::Misaligned, -1, "thread pool: storage must be aligned to %zu bytes", kAlignment);

  auto* shared = new (memory.data() + kAlignment) Shared;
  auto* pool = new (memory.data()) ThreadPool(shared, threads);
  shared->pool = pool;
  shared->spin_nanoseconds = spin_nanoseconds;
  shared->workers = reinterpret_cast<Shared::Worker*>(memory.data() + kAlignment + sizeof(Shared));
  pthread_mutex_init(&shared->turn, nullptr);
  pthread_mutex_init(&shared->mutex, nullptr);
  pthread_cond_init(&shared->work, nullptr);
  pthread_cond_init(&shared->done, nullptr);

  int status = 0;
  {
    const SignalsBlocked blocked;
    for (int index = 1; index < threads && status == 0; ++index) status = shared->start(index);
  }
  if (status != 0) {
    const int started = shared->worker_count;
    destroy(pool);
    return GF_FAIL(detail, Error::OutOfMemory, -1,
                   "thread pool: the system refused thread %d of %d (errno %d); ask for fewer threads", started + 2,
                   threads, status);
  }
  return pool;
}

void ThreadPool::destroy(ThreadPool* pool) {
  if (pool == nullptr) return;
  Shared* shared = pool->shared_;
  shared->shut_down();
  shared->~Shared();
  pool->~ThreadPool();
}

void ThreadPool::run(void* context, int64_t tasks, Body body, void* argument) {
  if (tasks <= 0) return;
  auto* pool = static_cast<ThreadPool*>(context);
  Shared& shared = *pool->shared_;
  if (const Frame* frame = find_frame(pool); frame != nullptr) {
    for (int64_t task = 0; task < tasks; ++task) body(argument, task, frame->worker);
    return;
  }
  const Lock turn(shared.turn);
  shared.body = body;
  shared.argument = argument;
  shared.tasks = tasks;
  shared.next.store(0, std::memory_order_relaxed);
  if (tasks == 1 || shared.worker_count == 0) {
    shared.claim(0);
    return;
  }
  shared.state.store(kOpen, std::memory_order_release);
  shared.notify(tasks - 1);
  shared.claim(0);
  shared.close_and_wait();
}

}  // namespace gf
