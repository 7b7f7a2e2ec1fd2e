// The tables of this build: every op; vector kernels and the portable ones behind them (create tries them by rank);
// XNNPACK, which loses NaN, only for who asks for it. Alone in its file: a program with tables of its own leaves it out.
#include "ops/cpu/table.h"
#include "runtime/include/ghostflow/tables.h"
#include "schema/ops.h"
#ifdef GF_HAS_SIMD
#include "ops/cpu/simd/table.h"
#endif
#ifdef GF_HAS_XNNPACK
#include "ops/cpu/xnnpack/table.h"
#endif

namespace gf {

BuiltTables built_tables() {
  return {.ops = AllOps::table(),
          .kernels = {
#ifdef GF_HAS_SIMD
              {"simd", cpu::simd_kernels()},
#endif
#ifdef GF_HAS_XNNPACK
              {"xnnpack", cpu::xnnpack_kernels(), true},
#endif
              {"portable", cpu::portable_kernels()}}};
}

}  // namespace gf
