// ThreadPool against the contract of ParallelFor: each task once, worker numbers, turns, nesting, sleep, errors.
// needs: GF_TEST_SYSTEM
#include "runtime/platform/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/kernel/parallel.h"

namespace gf {
namespace {

/// A pool in storage of exactly the promised size.
class PoolHolder {
 public:
  explicit PoolHolder(int threads, int64_t spin = ThreadPool::kDefaultSpinNanoseconds) {
    const size_t bytes = ThreadPool::bytes_needed(threads);
    storage_.reset(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
    auto pool = ThreadPool::create({storage_.get(), bytes}, threads, nullptr, spin);
    EXPECT_TRUE(pool.ok());
    pool_ = *pool;
  }
  ~PoolHolder() { ThreadPool::destroy(pool_); }
  PoolHolder(const PoolHolder&) = delete;
  PoolHolder& operator=(const PoolHolder&) = delete;
  ParallelFor parallel() { return {&ThreadPool::run, pool_, pool_->threads()}; }
  ThreadPool* get() { return pool_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> storage_;
  ThreadPool* pool_ = nullptr;
};

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEachTaskOnceForEveryCount) {
  PoolHolder pool(GetParam());
  const ParallelFor parallel = pool.parallel();
  for (const int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
    parallel(tasks, [&](int64_t task, int) { runs[static_cast<size_t>(task)].fetch_add(1); });
    for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
  }
}

TEST_P(ThreadPoolTest, PlainWritesOfTasksAreVisibleAfterwards) {
  PoolHolder pool(GetParam());
  const ParallelFor parallel = pool.parallel();
  std::vector<int64_t> values(333);
  for (int64_t round = 0; round < 300; ++round) {  // no atomics on purpose: thread sanitizer checks the ordering
    parallel(333, [&](int64_t task, int) { values[static_cast<size_t>(task)] = task * round; });
    for (int64_t i = 0; i < 333; ++i) ASSERT_EQ(values[static_cast<size_t>(i)], i * round);
  }
}

TEST_P(ThreadPoolTest, WorkerNumbersAreInRangeAndNeverShared) {
  PoolHolder pool(GetParam());
  const ParallelFor parallel = pool.parallel();
  std::vector<std::atomic<int>> busy(static_cast<size_t>(GetParam()));
  std::atomic<int> faults{0};
  for (int round = 0; round < 50; ++round) {
    parallel(97, [&](int64_t, int worker) {
      if (worker < 0 || worker >= GetParam()) {
        faults.fetch_add(1);
        return;
      }
      auto& flag = busy[static_cast<size_t>(worker)];
      if (flag.fetch_add(1) != 0) faults.fetch_add(1);
      for (int i = 0; i < 100; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      flag.fetch_sub(1);
    });
  }
  EXPECT_EQ(faults.load(), 0);
}

TEST_P(ThreadPoolTest, NestedCallsRunSeriallyUnderTheSameWorker) {
  PoolHolder pool(GetParam());
  const ParallelFor parallel = pool.parallel();
  std::atomic<int> inner{0};
  std::atomic<int> wrong_worker{0};
  parallel(20, [&](int64_t, int outer_worker) {
    const auto self = std::this_thread::get_id();
    parallel(10, [&](int64_t, int worker) {
      inner.fetch_add(1);
      if (worker != outer_worker && GetParam() > 1) wrong_worker.fetch_add(1);
      if (std::this_thread::get_id() != self) wrong_worker.fetch_add(1);
    });
  });
  EXPECT_EQ(inner.load(), 200);
  EXPECT_EQ(wrong_worker.load(), 0);
}

TEST_P(ThreadPoolTest, CallersTakeTurns) {
  PoolHolder pool(GetParam());
  const ParallelFor parallel = pool.parallel();
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::vector<int64_t> sums(4);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) {
        std::vector<int64_t> values(31);
        parallel(31, [&](int64_t task, int worker) {
          if (worker == 0 && GetParam() > 1) {  // worker 0 is the thread that called
            if (inside.fetch_add(1) != 0) overlaps.fetch_add(1);
            inside.fetch_sub(1);
          }
          values[static_cast<size_t>(task)] = task;
        });
        for (const int64_t value : values) sums[caller] += value;
      }
    });
  }
  for (auto& thread : callers) thread.join();
  EXPECT_EQ(overlaps.load(), 0);
  for (const int64_t sum : sums) EXPECT_EQ(sum, 200 * 465);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 4, 9));

TEST(ThreadPool, ManyShortJobsWithSleepingWorkers) {
  PoolHolder pool(4, 0);  // no spinning: every job goes through the condition variables
  const ParallelFor parallel = pool.parallel();
  int64_t total = 0;
  std::vector<int64_t> values(5);
  for (int round = 0; round < 3000; ++round) {
    parallel(round % 5 + 1, [&](int64_t task, int) { values[static_cast<size_t>(task)] = 1; });
    for (int64_t& value : values) {
      total += value;
      value = 0;
    }
  }
  EXPECT_EQ(total, 3000 * 3);
}

TEST(ThreadPool, AllThreadsWorkTogether) {
  PoolHolder pool(3);
  std::atomic<int> arrived{0};
  // Each task waits for the two others, so this ends only when three threads are inside at once.
  pool.parallel()(3, [&](int64_t, int) {
    arrived.fetch_add(1);
    while (arrived.load() < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived.load(), 3);
}

TEST(ThreadPool, OnePoolInsideAnother) {
  PoolHolder outer(3);
  PoolHolder inner(2);
  std::atomic<int> count{0};
  outer.parallel()(6, [&](int64_t, int) { inner.parallel()(5, [&](int64_t, int) { count.fetch_add(1); }); });
  EXPECT_EQ(count.load(), 30);
}

TEST(ThreadPool, PoolsOfTheirOwnDoNotBlockEachOther) {
  PoolHolder first(2);
  PoolHolder second(2);
  std::atomic<int> arrived{0};
  const auto meet = [&](int64_t, int worker) {  // ends only when both pools are running a job at the same time
    if (worker != 0) return;
    arrived.fetch_add(1);
    while (arrived.load() < 2) std::this_thread::yield();
  };
  const auto run = [&](PoolHolder& pool) {
    // a worker may take every task before the caller gets one: repeat until the caller had its turn
    bool called = false;
    while (!called) {
      pool.parallel()(2, [&](int64_t task, int worker) {
        if (worker == 0 && !called) {
          called = true;
          meet(task, worker);
        }
      });
    }
  };
  std::thread other([&] { run(first); });
  run(second);
  other.join();
  EXPECT_EQ(arrived.load(), 2);
}

TEST(ThreadPool, IdleWorkersUseNoProcessorTime) {
  PoolHolder pool(4);
  pool.parallel()(8, [](int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // let the spinning end
  rusage before{};
  rusage after{};
  getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  getrusage(RUSAGE_SELF, &after);
  const auto us = [](const rusage& u) { return u.ru_utime.tv_sec * 1'000'000 + u.ru_utime.tv_usec; };
  EXPECT_LT(us(after) - us(before), 50'000);  // three spinning workers would use 400,000 or more
}

TEST(ThreadPool, CreateAndDestroyWithoutWork) {
  for (int i = 0; i < 30; ++i) PoolHolder pool(1 + i % 5);
  ThreadPool::destroy(nullptr);
}

TEST(ThreadPool, WrongArgumentsAreTypedErrors) {
  alignas(64) std::byte storage[4096];
  ErrorDetail detail;
  EXPECT_EQ(ThreadPool::create(storage, 0, &detail).error(), Error::InvalidArgument);
  EXPECT_STREQ(detail.text, "thread pool: 0 threads asked for; allowed are 1 to 1024");
  EXPECT_EQ(ThreadPool::create(storage, 1025).error(), Error::InvalidArgument);
  EXPECT_EQ(ThreadPool::bytes_needed(-1), 0U);
  EXPECT_EQ(ThreadPool::bytes_needed(1025), 0U);
  const size_t needed = ThreadPool::bytes_needed(2);
  ASSERT_LE(needed, sizeof storage);
  EXPECT_EQ(ThreadPool::create({storage, needed - 1}, 2, &detail).error(), Error::BufferTooSmall);
  EXPECT_EQ(ThreadPool::create({storage + 8, sizeof storage - 8}, 2, &detail).error(), Error::Misaligned);
}

}  // namespace
}  // namespace gf
