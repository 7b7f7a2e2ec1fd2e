// A graph in wider floats, in values, constants, State and attributes: in float64, what differences need; a graph of 16-bit floats in
// float32, what training needs.
#pragma once

#include "graph/ir/graph.h"

namespace gf {

/// Changes `model` in place; the numbers of constants stay what they are. Throws gf::Exception: Unsupported with op and place, where an op
/// does not exist in float64 or its result hangs on the width of its input (bit_cast); what inference throws.
void to_float64(ir::Model& model);
/// The same for float16 and bfloat16, which become float32, inputs and outputs too. Returns whether there were any.
bool half_to_float32(ir::Model& model);

}  // namespace gf
