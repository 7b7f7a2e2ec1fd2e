// Apart from built_tables.cpp, so that an app with tables of its own still asks the library for this.
#include "runtime/include/ghostflow/tables.h"
#ifdef GF_HAS_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#endif

namespace gf {

Isa machine_isa() {
#ifdef GF_HAS_SIMD
  return simd::best_isa();
#else
  return Isa::Portable;
#endif
}

}  // namespace gf
