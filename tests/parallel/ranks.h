// Ranks as threads, for tests.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "trainer/parallel/threads.h"

namespace gf::test {

/// f on a thread for each rank; what they threw, "" where nothing. Uncaught errors of a rank end the others, as in a job.
inline std::vector<std::string> run_ranks_to_end(int size, const std::function<void(parallel::Communicator&)>& f, std::chrono::milliseconds limit = std::chrono::minutes(2)) {
  const auto ranks = parallel::thread_ranks(size, limit);
  std::vector<std::string> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      try {
        f(*ranks[static_cast<size_t>(r)]);
      } catch (const parallel::EveryRank& e) {
        errors[static_cast<size_t>(r)] = e.what();
      } catch (const std::exception& e) {
        errors[static_cast<size_t>(r)] = e.what();
        ranks[static_cast<size_t>(r)]->abort(e.what());
      }
    });
  for (std::thread& t : threads) t.join();
  return errors;
}
/// Throws what the first rank that failed has thrown, as Internal.
inline void run_ranks(int size, const std::function<void(parallel::Communicator&)>& f) {
  for (const std::string& e : run_ranks_to_end(size, f))
    if (!e.empty()) throw Exception(Error::Internal, e);
}

}  // namespace gf::test
