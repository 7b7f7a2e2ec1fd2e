// Copies that gradients do not pass: identities with another row.
#pragma once

#include "graph/ir/graph.h"

namespace gf {

/// An identity to everybody but autodiff, in files too.
const OpDef& detach_op();
/// Once gradients have been derived: plain identities, which passes remove.
void attach_detached(ir::Entry& entry);

}  // namespace gf
