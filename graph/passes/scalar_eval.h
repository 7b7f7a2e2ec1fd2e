// Elementwise ops on single doubles, by the formulas of their definitions: how patterns are recognised by what they
// compute instead of how they are written.
#pragma once

#include "graph/passes/rewrite.h"

namespace gf {

/// Unary and binary elementwise ops on floats: 1 or 2; 0 for everything else.
int scalar_arity(const OpDef& def);
/// op(a) or op(a, b) with the node's attributes. Requires scalar_arity(*n.def) > 0.
double scalar_apply(const ir::Node& n, double a, double b);

/// A piece of graph that computes one value from one other value and constants that are a single number.
struct ScalarFunction {
  ir::ValueId variable = ir::kNoValue;
  ir::ValueId result = ir::kNoValue;
  std::vector<const ir::Node*> nodes;  ///< in execution order

  double operator()(const Rewriter& r, double x) const;
};

}  // namespace gf
