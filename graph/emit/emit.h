// Writes an ir::Model as the bytes of a .gf file (schema/format/FORMAT.md).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

struct EmitOptions {
  bool node_names = false;      ///< keep names and origins of nodes (larger file, better error texts)
};

/// Receives consecutive pieces of the file; throws on failure.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Writes the file piece by piece (constants are not copied: files beyond memory size work). The graph must be checked
/// (ir::check) and inferred; control-flow and output tensors that may not be shared get identity copies here, so the model
/// may gain nodes. Equal constants are stored once. Throws gf::Exception: LimitExceeded (header over 2 GB), BadGraph.
void emit(ir::Model& model, const EmitOptions& options, const ByteSink& sink);

/// The whole file in memory.
std::vector<std::byte> emit(ir::Model& model, const EmitOptions& options = {});

}  // namespace gf
