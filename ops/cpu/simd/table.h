// The table of vector kernels: the lines of kernels.def. Constant data, passed by value to create; linking it links every
// vector kernel.
#pragma once

#include "runtime/kernel/kernel.h"

namespace gf::simd {

#define GF_SIMD_KERNEL(name) extern const Kernel name##_kernel;
#include "ops/cpu/simd/kernels.def"
#undef GF_SIMD_KERNEL

}  // namespace gf::simd

namespace gf::cpu {

/// All vector kernels. Valid for the life of the program. Give NodeView::isa = simd::best_isa() to use them fully.
KernelTable simd_kernels();

}  // namespace gf::cpu
