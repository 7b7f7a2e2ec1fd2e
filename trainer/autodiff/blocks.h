// Sub-graphs for autodiff: what they read from outside, copies of them, loops written out. Ordinary hosted C++.
#pragma once

#include <unordered_map>

#include "graph/ir/graph.h"

namespace gf {

/// Values that nodes of the blocks of `n`, nested ones too, read from outside; each once, in order of reading.
std::vector<ir::ValueId> captured_values(const ir::Node& n);
/// Whether a block holds a random op, nested ones too.
bool is_random(const ir::Block& block);
/// A copy of `block` with values of its own, shapes inferred anew. `values` maps what the block reads to what the copy reads (left
/// out: the same) and receives what the block defines. Copies write no State.
ir::Block copy_block(ir::Entry& entry, const ir::Block& block, std::unordered_map<ir::ValueId, ir::ValueId>& values);
/// Puts the rounds of the loop nodes[at] of `block` one after the other in its place; returns how many nodes they are. The number
/// of rounds must be a constant and no condition may end it earlier. Throws Unsupported, LimitExceeded.
size_t unroll_loop(ir::Entry& entry, ir::Block& block, size_t at);

}  // namespace gf
