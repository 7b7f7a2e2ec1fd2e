// In a graph a State is written by a copy: an identity with writes_state. In a file the node that makes the value writes the
// State itself where nobody can tell the difference; the copy is left out.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

struct StateWrite {
  const ir::Node* copy = nullptr;    ///< the identity with writes_state
  const ir::Node* maker = nullptr;   ///< the node that makes its input
};

/// Copies of the entry that can be left out: the value has no other reader, nobody reads the State after its maker ran, the
/// maker itself reads it element by element at most (or adds rows to it), and no node from there on can be stopped by its data.
std::vector<StateWrite> elided_writes(const ir::Entry& entry);

/// Whether n, or a node of its blocks, reads State `state`.
bool reads_state(const ir::Entry& entry, const ir::Node& n, int32_t state);
/// Whether n may end a run for what its data are (Program::load asks the same of a file).
bool may_stop(const ir::Entry& entry, const ir::Node& n);

/// Makes `entry` a train step in the file that emit() writes: kernels that hide NaN or denormals are never chosen for it. Noted in the
/// metadata "train_steps", which names such entries, one per line.
void mark_train_step(ir::Model& model, const std::string& entry);
bool is_train_step(const ir::Model& model, const std::string& entry);

}  // namespace gf
