// Threads that tests make anew for each call: slow, but truly concurrent and with any number of workers.
#pragma once

#include <thread>
#include <vector>

namespace gf::test {

/// f(worker) for every worker in [0, n), each on a thread of its own. WebAssembly without threads runs them one after the other, the
/// last worker first, so that it is not always worker 0 that finds tasks.
template <class F>
void run_on_threads(int n, F&& f) {
#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
  for (int w = n - 1; w >= 0; --w) f(w);
#else
  std::vector<std::thread> workers;
  for (int w = 0; w < n; ++w) workers.emplace_back([&f, w] { f(w); });
  for (std::thread& worker : workers) worker.join();
#endif
}

}  // namespace gf::test
