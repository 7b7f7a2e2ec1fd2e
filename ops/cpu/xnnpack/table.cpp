#include "ops/cpu/xnnpack/table.h"

namespace gf::cpu {
namespace {

constexpr const Kernel* kTable[] = {
#define GF_XNNPACK_KERNEL(name) &xnnpack::name##_kernel,
#include "ops/cpu/xnnpack/kernels.def"
#undef GF_XNNPACK_KERNEL
};

}  // namespace

KernelTable xnnpack_kernels() { return kTable; }

}  // namespace gf::cpu
