// Checkpoints of steps over ranks: what a rank has only a part of is put together when saving and taken apart when loading, so that a
// checkpoint is that of one process, whatever the number of ranks. Thread rule: all ranks call together.
#pragma once

#include <optional>

#include "trainer/checkpoint/directory.h"
#include "trainer/checkpoint/state.h"
#include "trainer/parallel/communicator.h"
#include "trainer/parallel/step_transfers.h"

namespace gf::parallel {

/// How the step of a program was made.
struct StepDescription {
  int ranks = 0;                          ///< 0: any number
  std::vector<PartDescription> parts;
};
/// nullopt: its step talks to no other ranks. Throws BadFile: the metadata is not what this version writes.
std::optional<StepDescription> step_description(const Program& program);

/// snapshot_of(), with the names and shapes of one process. The views hold until something writes the State.
Snapshot whole_snapshot(Communicator& communicator, const Program& program, const State& state, int64_t step);
/// restore() of such a one: from one process, or from any number of ranks.
Restored restore_part(const Checkpoint& checkpoint, const Communicator& communicator, const Program& program, State& state);

/// Rank 0's checkpoint, or that there is none, to all.
std::optional<LoadedCheckpoint> broadcast(Communicator& communicator, std::optional<LoadedCheckpoint> loaded);

}  // namespace gf::parallel
