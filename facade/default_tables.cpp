// The tables of this build: every op; tuned kernels and the portable ones behind them (create tries them by rank).
#include "facade/evaluate.h"
#include "ops/cpu/table.h"
#include "schema/ops.h"
#ifdef GF_HAS_SIMD
#include "ops/cpu/simd/table.h"
#endif
#ifdef GF_HAS_XNNPACK
#include "ops/cpu/xnnpack/table.h"
#endif

namespace gf {

Tables default_tables([[maybe_unused]] bool xnnpack) {
  Tables tables;
  tables.ops = AllOps::table();
#ifdef GF_HAS_SIMD
  tables.add(cpu::simd_kernels());
#endif
#ifdef GF_HAS_XNNPACK
  if (xnnpack) tables.add(cpu::xnnpack_kernels());
#endif
  tables.add(cpu::portable_kernels());
  return tables;
}

}  // namespace gf
