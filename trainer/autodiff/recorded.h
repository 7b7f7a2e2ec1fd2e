// What recordings (trainer/tensor) ask of autodiff besides: copies that gradients do not pass, and gradients that are zero where a recording
// leads and the maths does not.
#pragma once

#include "trainer/autodiff/autodiff.h"

namespace gf {

/// An identity to everybody but autodiff, in files too.
const OpDef& detach_op();
/// Once gradients have been derived: plain identities, which passes remove.
void attach_detached(ir::Entry& entry);

/// gradients(), with zeros for what nothing leads from (the second derivative of what is linear).
std::vector<ir::ValueId> gradients_or_zeros(ir::Entry& entry, std::span<const ir::ValueId> of, std::span<const ir::ValueId> seeds,
                                            std::span<const ir::ValueId> wrt, const AutodiffOptions& options);

}  // namespace gf
