// Types and shapes of control-flow nodes, from the blocks they own (already inferred).
#pragma once

#include "graph/ir/graph.h"

namespace gf::ir {

/// `if`: outputs join both branches. `loop`: carried outputs join the start value and the body's, scanned outputs get the
/// trip count in front. Throws gf::Exception on mismatched counts or types.
void infer_control_flow(Entry& entry, Node& node);

}  // namespace gf::ir
