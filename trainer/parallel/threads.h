// Ranks that are threads of one process: for tests, and for who wants several small models side by side. Nothing is owned but the group.
// Thread rule: each rank is one thread's.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "trainer/parallel/communicator.h"

namespace gf::parallel {

/// Communicators of ranks 0 ... size - 1 over one another; each may outlive the others. `limit`: how long a rank waits for another. Throws InvalidArgument.
std::vector<std::unique_ptr<Communicator>> thread_ranks(int size, std::chrono::milliseconds limit = std::chrono::minutes(5));

}  // namespace gf::parallel
