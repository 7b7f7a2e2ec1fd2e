// The table of portable kernels: every elementwise op (derived from its formula) and the lines of kernels.def.
// Constant data; pass it by value to create. Linking it links every kernel: a build with few ops lists its own rows.
#pragma once

#include "runtime/kernel/kernel.h"

namespace gf::cpu {

#define GF_CPU_KERNEL(name) extern const Kernel name##_kernel;
#include "ops/cpu/kernels.def"
#undef GF_CPU_KERNEL

/// All portable kernels. Valid for the life of the program.
KernelTable portable_kernels();

}  // namespace gf::cpu
