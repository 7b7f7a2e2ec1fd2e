#include "ops/cpu/simd/table.h"

namespace gf::cpu {
namespace {

constexpr const Kernel* kTable[] = {
#define GF_SIMD_KERNEL(name) &simd::name##_kernel,
#ifdef __wasm_simd128__
// The module of all ops is downloaded: products of rounded operands, which only train steps have and which are no faster there than those
// of float32, are left to the portable kernels. A runtime made for models that have them (ghostflow_add_runtime) gets their kernels.
#define GF_SIMD_KERNEL_ROUNDED(op, name)
#endif
#include "ops/cpu/simd/kernels.def"
#undef GF_SIMD_KERNEL
};

}  // namespace

KernelTable simd_kernels() { return kTable; }

}  // namespace gf::cpu
