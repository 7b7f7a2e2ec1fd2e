// A deep copy of a graph, for who wants to try passes and go back. Constants are shared: they never change.
#pragma once

#include "graph/ir/graph.h"

namespace gf::ir {

/// Values keep their ids.
Model copy(const Model& model);
std::unique_ptr<Entry> copy(const Entry& entry);

}  // namespace gf::ir
