// "Fit this step into 8 MB": results are computed again in place of being kept, until what a session needs meets a budget, and what that
// costs is said.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ir/graph.h"
#include "graph/passes/pipeline.h"

namespace gf {

struct FitReport {
  uint64_t bytes_before = 0;    ///< activations and scratch of a session of the entry, nothing computed again
  uint64_t bytes = 0;           ///< with what was done: what memory_needs() says, and what a session uses
  int nodes_again = 0;          ///< nodes that run a second time
  uint64_t macs = 0;            ///< multiply-accumulates of one run, before
  uint64_t macs_again = 0;      ///< and those that came on top
};

/// Optimises `model` as run_passes() does, so that activations and scratch of a session of `entry` take at most `bytes` (State, weights and
/// records of the session come on top: they cannot be computed again). Results are bit for bit those without a budget. Sizes count at
/// their upper bounds. Throws gf::Exception: NotFound (the entry), LimitExceeded with the least that was reached; `model` is then as it was.
FitReport fit_memory(ir::Model& model, const std::string& entry, uint64_t bytes, const PassOptions& options = {});

}  // namespace gf
