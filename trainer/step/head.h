// A net that was trained for some classes gets a last layer for others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

struct HeadOptions {
  int64_t outputs = 0;     ///< of the new layer; 0: the layer stays
  /// Name of the weight of the layer; empty: the last product x W or convolution on the way to the prediction.
  std::string weight;
  uint64_t seed = 0;       ///< of the first values: uniform within 1 / sqrt(inputs), as PyTorch's layers begin
};

struct NewHead {
  std::vector<std::string> weights;   ///< names of the tensors that are new: of the weight, and of a bias
  std::string layer;                  ///< where it stands: "Conv 'conv10'"
  int64_t before = 0;                 ///< outputs that it had
};

/// Replaces weight and bias of the layer by new ones of the same names with so many outputs, and infers what follows anew. Between the layer
/// and output `output` of the entry may stand what works on whatever number of channels: activations, pooling, softmax, a bias, changes of
/// shape that keep the classes. `entry` is as imported, not optimised. Throws gf::Exception: InvalidArgument (outputs), NotFound (no layer of
/// that weight, or none on the way), Unsupported (the weight has another reader; a node on the way that holds the old number: named).
NewHead replace_head(ir::Entry& entry, size_t output, const HeadOptions& options);

}  // namespace gf
