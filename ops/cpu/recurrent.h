// What the recurrent ops and their gradients share.
#pragma once

#include "ops/cpu/op_util.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {

/// Sequence lengths of an optional input: an error where one is outside [0, steps].
Error check_lengths(const RunContext& c, int input, int64_t steps);

}  // namespace gf::cpu
