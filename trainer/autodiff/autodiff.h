// Autodiff: appends to an entry the nodes that compute gradients, by the rules beside the ops (schema/gradient.h). The result is
// more graph: it is optimised, planned and run like any other, and may be differentiated again.
// Runs before fusion: nodes of fused forms on the way are expanded first. Thread rule: one thread at a time per entry.
#pragma once

#include <span>
#include <vector>

#include "graph/ir/graph.h"
#include "schema/gradient.h"
#include "schema/ops.h"
#include "schema/rules.h"

namespace gf {

struct AutodiffOptions {
  std::span<const OpGradient* const> gradients = GradientsOf<AllOps>::kRows;
  std::span<const OpRules* const> rules = RulesOf<AllOps>::kRows;  ///< expansions of fused forms
  OpTable ops = AllOps::table();                                   ///< what rules may name by id
  /// Values that gradients reach and do not pass: what they were computed from gets nothing by way of them.
  std::span<const ir::ValueId> stops = {};
  /// The gradient of `from` is taken for that of `to`, shaped alike and made before it, and goes no other way: straight-through estimators
  /// (Bengio et al. 2013, arXiv 1308.3432) of what has no gradient or a useless one, such as rounding.
  struct Detour {
    ir::ValueId from = ir::kNoValue, to = ir::kNoValue;
  };
  std::span<const Detour> detours = {};
};

/// Reverse mode (vector-Jacobian product): the gradients of sum(seed_k * of_k) with respect to each of `wrt`, shaped like it.
/// `of` and `wrt` are float values of the entry's body: inputs, constants, State, results of nodes. `seeds` are shaped like
/// `of`; kNoValue stands for ones. A result is kNoValue where no path leads from that value to `of`, and zeros where the paths
/// have gradient zero. Only what leads from `wrt` to `of` is differentiated; nodes of the forward part may get optional outputs
/// that rules read. Throws gf::Exception with op and place: InvalidArgument (nothing leads there), TypeMismatch (not a float),
/// Unsupported (an op without a rule, or a form that its rule does not serve).
std::vector<ir::ValueId> gradients(ir::Entry& entry, std::span<const ir::ValueId> of, std::span<const ir::ValueId> seeds,
                                   std::span<const ir::ValueId> wrt, const AutodiffOptions& options = {});

/// Gradients of a loss of one element. Throws as gradients(), and ShapeMismatch for another loss.
std::vector<ir::ValueId> backward(ir::Entry& entry, ir::ValueId loss, std::span<const ir::ValueId> wrt,
                                  const AutodiffOptions& options = {});

/// Forward mode (Jacobian-vector product): the change of each of `of` when every `wrt` changes by its tangent, shaped like
/// `of`; kNoValue where it is zero because nothing leads there. Made by reverse mode twice (the gradient is linear in its
/// seed), so it needs no rules of its own: for checking, and where there are few inputs.
std::vector<ir::ValueId> jvp(ir::Entry& entry, std::span<const ir::ValueId> of, std::span<const ir::ValueId> wrt,
                             std::span<const ir::ValueId> tangents, const AutodiffOptions& options = {});

}  // namespace gf
