// Reads a loaded .gf file back into an ir::Model: the inverse of graph/emit. Constants point into the file's bytes.
#pragma once

#include <memory>

#include "graph/ir/graph.h"
#include "runtime/load/program.h"

namespace gf {

/// The graph of every entry, inferred and checked, with states, symbols, quantisation parameters and metadata. `owner` keeps
/// the bytes of `program` alive as long as a constant of the result does; null: the caller does. emit() of the result gives
/// the same file, except for what the graph has no place for (optional sections) and bounds of sizes that only data decide.
/// Throws gf::Exception.
ir::Model read_model(const Program& program, std::shared_ptr<const void> owner);

}  // namespace gf
