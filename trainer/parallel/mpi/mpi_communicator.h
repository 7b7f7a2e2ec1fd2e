// Ranks that are processes of an MPI job (`mpirun -n 2 program`). Not in the trainer's library: programs that want it link gf_mpi.
// MPI is started by the first communicator of a process and ended when that dies; its calls come from one thread.
#pragma once

#include <chrono>
#include <memory>

#include "trainer/parallel/communicator.h"

namespace gf::parallel {

struct MpiSettings {
  std::chrono::milliseconds limit = std::chrono::minutes(5);  ///< how long a rank waits for another
};
/// Throws IoError: MPI does not start. abort() prints "rank 1: message" and ends all ranks with exit code 1.
std::unique_ptr<Communicator> mpi_communicator(const MpiSettings& settings = {});

}  // namespace gf::parallel
