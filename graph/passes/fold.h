// Constant folding: nodes whose inputs are all constants are run now, by an evaluator that the caller gives (the graph
// layer cannot run kernels). Integer results that shape inference knows need no evaluator.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

/// Runs one node on its constant inputs and returns its outputs (null for outputs that are not wanted). Throws
/// gf::Exception when the node cannot be run.
using Evaluator = std::function<std::vector<ir::ConstantPtr>(const ir::Entry& entry, const ir::Node& node)>;

struct FoldOptions {
  uint64_t max_output_bytes = uint64_t{256} << 20;  ///< larger results stay nodes
  /// Results larger than this and larger than their inputs stay nodes too (a splat that a node expands, say).
  uint64_t max_growth_bytes = uint64_t{1} << 20;
};

/// An evaluator that leaves the widening of bytes to a run, so that constants stay bytes.
Evaluator keeping_int8(const Evaluator& evaluator);

/// Turns the outputs of `node` into constants where possible; true when all wanted outputs are constants now (the
/// caller removes the node). Control flow and random ops are left alone.
bool fold_node(ir::Entry& entry, ir::Node& node, const Evaluator& evaluator, const FoldOptions& options = {});

/// fold_node over an entry, nested blocks too. Returns how many nodes went away.
int fold_constants(ir::Entry& entry, const Evaluator& evaluator, const FoldOptions& options = {});

}  // namespace gf
