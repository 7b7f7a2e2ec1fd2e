// Expansion: nodes of fused ops become base ops, by the rule that stands beside the op (schema/rules.h).
#pragma once

#include <functional>

#include "graph/ir/graph.h"
#include "schema/ops.h"
#include "schema/rules.h"

namespace gf {

struct ExpandOptions {
  std::span<const OpRules* const> rules = RulesOf<AllOps>::kRows;
  OpTable ops = AllOps::table();                                   ///< what rules may name by id
  /// Which nodes to expand, of those that have a rule; empty: all.
  std::function<bool(const ir::Node& node)> wanted;
  /// Told of a node whose rule fails; the node stays. Empty: the failure is thrown.
  std::function<void(const ir::Node& node, const Exception& why)> failed;
};

/// Expands what is wanted in all blocks of the entry until only base ops are left. Values keep ids and names. Returns how
/// many nodes were replaced. Throws gf::Exception.
int expand_fused(ir::Entry& entry, const ExpandOptions& options = {});
/// The same in one block, which need not stand in the entry yet.
int expand_fused(ir::Entry& entry, ir::Block& block, const ExpandOptions& options);

}  // namespace gf
