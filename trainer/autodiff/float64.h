// A graph in float64: what differences need. Every float of 32 bits and less becomes float64, in values, constants, State and attributes.
#pragma once

#include "graph/ir/graph.h"

namespace gf {

/// Changes `model` in place; the numbers of constants stay what they are. Throws gf::Exception: Unsupported with op and place, where an op
/// does not exist in float64 or its result hangs on the width of its input (bit_cast); what inference throws.
void to_float64(ir::Model& model);

}  // namespace gf
