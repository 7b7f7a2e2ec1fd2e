// The first value of a train step that is not finite, op by op: the graph as it was built is run on what a session holds. Fused nodes of
// an optimised file hide which of their ops it was; the file alone is searched by runtime/include/ghostflow/non_finite.h.
#pragma once

#include <string>

#include "graph/ir/graph.h"
#include "runtime/include/ghostflow/non_finite.h"

namespace gf {

/// Looks for what made the last run of `entry` fail with Error::NonFinite (or give NaN): `graph` is the model before run_passes(), compiled
/// as it stands with all nodes' names; inputs and State are those of `session` at this moment, which stay as they are. Takes the memory of
/// that program, most of it for as long as the call; results are those of the optimised step, bit for bit. `how`: tables with custom ops, as
/// the session was made. Throws what compiling and running throw.
NonFiniteReport find_non_finite(const ir::Model& graph, const std::string& entry, const Session& session, const State* state, const ModelOptions& how = {});
/// The same with a model's session of that entry and its tables.
NonFiniteReport find_non_finite(const ir::Model& graph, const std::string& entry, Model& running);

}  // namespace gf
