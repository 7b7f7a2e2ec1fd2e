// Writes an ir::Model as the bytes of a .gf file (schema/format/FORMAT.md).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

/// An optional part of the file (FORMAT.md, "Sections").
struct EmitSection {
  std::string kind;
  std::vector<std::byte> bytes;
};

/// Signs while the file is written. `update` receives every byte in front of the signature, in order; then `finish` is asked
/// for the section's sizeof(format::Signature) bytes.
struct EmitSigner {
  std::function<void(std::span<const std::byte>)> update;
  std::function<std::vector<std::byte>()> finish;
};

struct EmitOptions {
  bool node_names = false;      ///< keep names and origins of nodes (larger file, better error texts)
  std::vector<EmitSection> sections = {};
  EmitSigner signer = {};       ///< empty functions: not signed
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
