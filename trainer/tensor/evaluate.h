// Ops whose results have shapes that only running tells (nonzero, unique): run at once, on values that are known or are computed for it.
#pragma once

#include <vector>

#include "trainer/tensor/tensor.h"

namespace gf::lazy {

/// Results of one op, known on the host; empty handles where `wanted` is false. One small program per op, attributes, types and shapes of
/// operands, used again. No gradients lead back. Throws what recording and running throw.
std::vector<Tensor> evaluate(const OpDef& op, const void* attrs, std::span<const Tensor> inputs, const std::vector<bool>& wanted);

}  // namespace gf::lazy
