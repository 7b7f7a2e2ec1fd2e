// What remains of a model that was trained when it is only to be used: no gradients, no optimizer, weights that are constants.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "graph/passes/pipeline.h"
#include "runtime/include/ghostflow/session.h"
#include "trainer/checkpoint/container.h"

namespace gf {

/// The numbers of a State, or of a snapshot, become the first values of the graph's, by name. Throws NotFound: one that the graph has and it lacks.
void take_state(ir::Model& model, const State& state);
void take_state(ir::Model& model, const Snapshot& snapshot);

struct InferenceOptions {
  std::vector<std::string> entries;   ///< empty: all but those that train, and "evaluate"
  bool last_weights = false;          ///< where averages were kept, which entries read: the weights of the last step in their place
  /// What was trained as int8 (FakeQuantizeOptions) stays int8 in the file, a quarter of the bytes, and matrix products and convolutions without groups
  /// compute in integers (PassOptions::integer_products, from level 2 on; other layers widen their weights in each run); else its values become float
  /// constants. The numbers are the same but for the rounding of sums.
  bool int8_weights = true;
  bool integer_products = true;       ///< false: weights stay int8, products are of floats (for ONNX files, which say quantised nets so)
  PassOptions passes;                 ///< `exact` is not set: batch norms are folded into weights, activations into products
};

/// Keeps these entries; State that none of them writes becomes constants with its first values (take_state() puts those of a training
/// there), products of LoRA's matrices are added to the weights beside which they stand, and all passes run. The entries compute what they
/// did, up to rounding; with PassOptions::level 0 and no LoRA bit for bit. Throws NotFound (an entry), InvalidArgument (nothing is left),
/// WrongPhase (last_weights, and no averages were kept).
void make_inference_model(ir::Model& model, const InferenceOptions& options);

}  // namespace gf
