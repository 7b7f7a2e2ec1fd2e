// The pass manager: which rewrites run, in what order, and what each of them did.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "graph/passes/fold.h"

namespace gf {

struct PassOptions {
  int level = 2;        ///< 0: only what is needed to run; 1: clean-ups; 2: fusions and layout; 3: also slow searches
  Evaluator evaluator;  ///< runs constant nodes; may be empty (then less is folded)
  bool exact = false;   ///< train step: no rewrite that changes NaN, rounding order (but of repeated rows: row_updates.cpp) or State
  /// Results are computed again rather than kept while more bytes than this are alive at once in an entry (inputs, State and kernels'
  /// scratch not counted); 0: no such limit. trainer/step/fit.h meets a budget for what a session really needs.
  uint64_t memory_budget = 0;
  /// What results are kept in from the forward part of a train step to its backward part: F32, or BF16 for about half the memory of
  /// activations and results that are rounded to 8 bits of mantissa (parameters, moments, statistics and gradients are not).
  DType kept = DType::F32;
  /// Products of dequantised numbers by constant int8 weights become products of integers with exact sums: results differ by the rounding of
  /// float sums from what the graph says. Weights must still be dequantised by a node: what folded constants before must have been keeping_int8
  /// (fold.h). Those that no product takes become floats, unless `evaluator` is such a one too.
  bool integer_products = false;
  /// What products and convolutions of a train step, forward and backward, are computed from: F32, or BF16 for operands rounded to bfloat16
  /// with sums in float32 (schema/precision.h). Parameters, results and everything else stay in float32.
  DType products = DType::F32;
  std::vector<std::string>* notes = nullptr;  ///< receives remarks of the pass that runs; run_passes sets it
};

/// What one pass did to the model.
struct PassResult {
  std::string pass;
  int changes = 0;  ///< how many places it rewrote
  int nodes_before = 0;
  int nodes_after = 0;
  std::vector<std::string> notes;  ///< what was rewritten and where: "layer_norm: /encoder/layer.0/..."
};
struct PassReport {
  std::vector<PassResult> passes;
  int nodes_before = 0;
  int nodes_after = 0;
};

/// A rewrite: returns how many places it changed. Leaves the graph checked and inferred.
struct Pass {
  const char* name;
  int level;  ///< least PassOptions::level that runs it
  int (*run)(ir::Model& model, const PassOptions& options);
};

/// Runs all passes of the level in order. Every pass is followed by ir::check in debug builds.
PassReport run_passes(ir::Model& model, const PassOptions& options);

}  // namespace gf
