// Graphs put into other graphs: a loss behind a prediction, a teacher beside a student.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

/// The nodes of `from` (an entry of `owner`) at the end of `into`'s body, its inputs being `inputs`; State of `owner` becomes constants.
/// Returns its outputs. Throws Unsupported (nodes with sub-graphs), and what inference throws.
std::vector<ir::ValueId> splice(ir::Entry& into, const ir::Model& owner, const ir::Entry& from, const std::vector<ir::ValueId>& inputs, const std::string& origin);

/// What v is a copy of: exported nets name their outputs so.
ir::ValueId behind_copies(const ir::Entry& entry, ir::ValueId v);
/// What goes into the softmax along that axis that makes v; v itself where there is none.
ir::ValueId before_softmax(const ir::Entry& entry, ir::ValueId v, int axis);

/// A net that has learned already and that another one is to learn from (trainer/nn: distillation_loss()).
struct Teacher {
  const ir::Model* model = nullptr;   ///< as imported, or with State; not changed, not needed afterwards
  std::string entry = "main";
  std::string output;                 ///< its scores, or probabilities by a softmax; may be left out where there is one output
  double temperature = 4;
  double alpha = 0.5;                 ///< share of the cross entropy with the targets
};
/// Puts the teacher in front of all nodes of the student's entry, fed with the inputs of the same names, or with the only one. Returns its
/// scores, whose classes lie along `axis`. Throws as splice(), and NotFound (entry, output, an input that the student lacks).
ir::ValueId add_teacher(ir::Entry& student, const Teacher& teacher, int axis);
/// Nodes that read the input of that name read `by`; the entry loses the input.
void replace_input(ir::Entry& entry, const std::string& name, ir::ValueId by);

}  // namespace gf
