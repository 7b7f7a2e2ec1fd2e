// Threads of the module: a parallel_for over Web Workers (or Node's), which share this module's memory. In the build without
// threads it is serial.
#pragma once

#include <cstdint>

#include "runtime/include/ghostflow/session.h"

namespace gf::web {

/// For `threads` in all, the caller's among them. Serial when 1, or in a build without threads.
ParallelFor pool_parallel(int threads);

/// Monotonic clock of the loader.
uint64_t now_nanoseconds();

}  // namespace gf::web
