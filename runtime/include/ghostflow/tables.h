// The ops and kernels that this build holds, and what the processor can do: what strict sessions are made from.
// built_tables() is defined once per program: in the library (everything), or in the source that ghostflow_add_runtime
// generates (what the program's models use; the linker then drops the rest). Callable from any thread; no heap.
#pragma once

#include <string_view>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/kernel.h"

namespace gf {

/// What a build holds. Constant data behind it, valid for the life of the program.
struct BuiltTables {
  struct Kernels {
    const char* name = nullptr;     ///< "simd", "xnnpack", "portable"; nullptr: an unused place
    KernelTable table;
    bool on_request = false;        ///< takes part only where it is preferred
  };
  OpTable ops;
  Kernels kernels[3];               ///< the earlier one wins at equal rank
};

/// A program may define this itself; it then links the ops and kernels that it names and no others.
BuiltTables built_tables();

/// All ops and the kernels of this build, but those that only take part on request.
inline Tables default_tables() {
  const BuiltTables built = built_tables();
  Tables tables;
  tables.ops = built.ops;
  for (const BuiltTables::Kernels& kernels : built.kernels)
    if (!kernels.on_request && kernels.name != nullptr) tables.add(kernels.table);
  return tables;
}

/// The same; `prefer`: "simd", "xnnpack" or "portable", whose kernels then win wherever they accept; `xnnpack` false leaves
/// XNNPACK out. Throws InvalidArgument when this build lacks what is preferred.
Tables default_tables(bool xnnpack, std::string_view prefer = {});

/// The best instruction set of this processor that this build has kernels for. Asked once, then a plain load.
Isa machine_isa();

}  // namespace gf
