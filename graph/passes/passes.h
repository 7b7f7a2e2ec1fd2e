// The passes, one function each; pipeline.cpp orders them. Each lives in the .cpp that its comment names.
#pragma once

#include "graph/passes/pipeline.h"

namespace gf {

int fold_all(ir::Model& model, const PassOptions& options);        // cleanup.cpp: constants computed now
int remove_dead(ir::Model& model, const PassOptions& options);     // cleanup.cpp: nodes whose results nobody reads
int remove_no_ops(ir::Model& model, const PassOptions& options);   // cleanup.cpp: identity, x + 0, x * 1, reshape to itself
int merge_common(ir::Model& model, const PassOptions& options);    // cleanup.cpp: equal nodes on equal inputs

}  // namespace gf
