#include "ops/cpu/simd/table.h"

namespace gf::cpu {
namespace {

constexpr const Kernel* kTable[] = {
#define GF_SIMD_KERNEL(name) &simd::name##_kernel,
#include "ops/cpu/simd/kernels.def"
#undef GF_SIMD_KERNEL
};

}  // namespace

KernelTable simd_kernels() { return kTable; }

}  // namespace gf::cpu
