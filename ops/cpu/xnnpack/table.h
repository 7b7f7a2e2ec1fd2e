// The table of kernels that XNNPACK gives: the lines of kernels.def. Constant data; nothing of XNNPACK runs before a
// kernel of it is prepared.
#pragma once

#include "runtime/kernel/kernel.h"

namespace gf::xnnpack {

#define GF_XNNPACK_KERNEL(name) extern const Kernel name##_kernel;
#include "ops/cpu/xnnpack/kernels.def"
#undef GF_XNNPACK_KERNEL

}  // namespace gf::xnnpack

namespace gf::cpu {

/// All kernels of XNNPACK. Valid for the life of the program. XNNPACK chooses its own instruction set, the best of the
/// machine, whatever NodeView::isa says: leave this table out where less is wanted.
KernelTable xnnpack_kernels();

}  // namespace gf::cpu
