// Recorded nodes as nodes of a graph: what a program (compile.cpp) and a trace (trace.cpp) share.
#pragma once

#include <vector>

#include "graph/ir/graph.h"
#include "trainer/tensor/recording.h"

namespace gf::lazy {

/// The op of n on these values.
std::vector<ir::ValueId> append_op(ir::Entry& entry, const Node& n, std::vector<ir::ValueId> inputs);
/// A Gradient node, derived. Throws what gradients() throws.
std::vector<ir::ValueId> append_gradients(ir::Entry& entry, const Node& n, const std::vector<ir::ValueId>& inputs);
/// A copy that gradients do not pass.
ir::ValueId append_detached(ir::Entry& entry, ir::ValueId v);
}  // namespace gf::lazy
