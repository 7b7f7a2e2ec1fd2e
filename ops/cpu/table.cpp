#include "ops/cpu/table.h"

#include <array>

#include "ops/cpu/elementwise.h"
#include "schema/ops.h"

namespace gf::cpu {
namespace {

constexpr size_t kListed = 0
#define GF_CPU_KERNEL(name) +1
#include "ops/cpu/kernels.def"
#undef GF_CPU_KERNEL
    ;

constexpr size_t count_elementwise() {
  size_t n = 0;
  AllOps::for_each([&]<class Op>() { n += IsElementwise<Op> ? 1 : 0; });
  return n;
}

constexpr auto make_table() {
  std::array<const Kernel*, kListed + count_elementwise()> table{};
  size_t n = 0;
#define GF_CPU_KERNEL(name) table[n++] = &name##_kernel;
#include "ops/cpu/kernels.def"
#undef GF_CPU_KERNEL
  AllOps::for_each([&]<class Op>() {
    if constexpr (IsElementwise<Op>) table[n++] = &elementwise_kernel<Op>;
  });
  return table;
}

constexpr auto kTable = make_table();

}  // namespace

KernelTable portable_kernels() { return kTable; }

}  // namespace gf::cpu
