// The pthreadpool adapter against the contract of ParallelFor.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "ops/cpu/xnnpack/pthreadpool_adapter.h"

namespace gf {
namespace {

using Pool = std::unique_ptr<pthreadpool, decltype(&pthreadpool_destroy)>;
Pool make_pool(size_t threads) { return {pthreadpool_create(threads), &pthreadpool_destroy}; }

TEST(PthreadpoolAdapter, NoPoolOrOneThreadIsSerial) {
  EXPECT_EQ(xnnpack::parallel_for(nullptr).run_tasks, nullptr);
  const Pool pool = make_pool(1);
  EXPECT_EQ(xnnpack::parallel_for(pool.get()).threads, 1);
}

TEST(PthreadpoolAdapter, RunsEachTaskOnceWithUnsharedWorkers) {
  for (const size_t threads : {2U, 3U, 4U}) {
    const Pool pool = make_pool(threads);
    const ParallelFor parallel = xnnpack::parallel_for(pool.get());
    ASSERT_EQ(parallel.threads, static_cast<int>(threads));
    std::vector<std::atomic<int>> busy(threads);
    std::atomic<int> faults{0};
    for (const int64_t tasks : {0, 1, 2, 5, 300}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      parallel(tasks, [&](int64_t task, int worker) {
        auto& flag = busy.at(static_cast<size_t>(worker));
        if (flag.fetch_add(1) != 0) faults.fetch_add(1);
        runs[static_cast<size_t>(task)].fetch_add(1);
        flag.fetch_sub(1);
      });
      for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
    }
    EXPECT_EQ(faults.load(), 0);
  }
}

TEST(PthreadpoolAdapter, NestedCallsAreSerialAndCallersTakeTurns) {
  const Pool pool = make_pool(3);
  const ParallelFor parallel = xnnpack::parallel_for(pool.get());
  std::atomic<int> count{0};
  std::atomic<int> faults{0};
  const auto run = [&] {
    for (int round = 0; round < 50; ++round)
      parallel(7, [&](int64_t, int outer) {
        parallel(3, [&](int64_t, int worker) {
          count.fetch_add(1);
          if (worker != outer) faults.fetch_add(1);
        });
      });
  };
  std::thread other(run);
  run();
  other.join();
  EXPECT_EQ(count.load(), 2 * 50 * 21);
  EXPECT_EQ(faults.load(), 0);
}

}  // namespace
}  // namespace gf
