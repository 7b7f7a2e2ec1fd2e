// The tables of this build: every op; vector kernels and the portable ones behind them (create tries them by rank);
// XNNPACK in front of both where it is preferred.
#include "ops/cpu/table.h"
#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/tables.h"
#include "schema/ops.h"
#ifdef GF_HAS_SIMD
#include "ops/cpu/simd/table.h"
#endif
#ifdef GF_HAS_XNNPACK
#include "ops/cpu/xnnpack/table.h"
#endif

namespace gf {

Tables default_tables([[maybe_unused]] bool xnnpack, std::string_view prefer) {
  Tables tables;
  tables.ops = AllOps::table();
  std::string names;
  const auto add = [&](const char* name, KernelTable table) {
    if (prefer == name) tables.preferred = tables.kernel_table_count;
    names += (names.empty() ? "" : ", ") + std::string(name);
    tables.add(table);
  };
#ifdef GF_HAS_SIMD
  add("simd", cpu::simd_kernels());
#endif
#ifdef GF_HAS_XNNPACK
  if (xnnpack && prefer == "xnnpack")
    add("xnnpack", cpu::xnnpack_kernels());
  else if (xnnpack)  // its kernels lose NaN: only who asks for them gets them
    names += (names.empty() ? "" : ", ") + std::string("xnnpack");
#endif
  add("portable", cpu::portable_kernels());
  if (!prefer.empty() && tables.preferred < 0)
    throw Exception(Error::InvalidArgument,
                    "there are no kernels '" + std::string(prefer) + "' to prefer here, only " + names);
  return tables;
}

}  // namespace gf
