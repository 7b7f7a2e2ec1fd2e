// Tables with a preference, made of what the build holds.
#include <cstring>
#include <string>

#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/tables.h"

namespace gf {

Tables default_tables(bool xnnpack, std::string_view prefer) {
  const BuiltTables built = built_tables();
  Tables tables;
  tables.ops = built.ops;
  std::string names;
  for (const BuiltTables::Kernels& kernels : built.kernels) {
    if (kernels.name == nullptr || (!xnnpack && std::strcmp(kernels.name, "xnnpack") == 0)) continue;
    names += (names.empty() ? "" : ", ") + std::string(kernels.name);
    if (kernels.on_request && prefer != kernels.name) continue;
    if (prefer == kernels.name) tables.preferred = tables.kernel_table_count;
    tables.add(kernels.table);
  }
  if (!prefer.empty() && tables.preferred < 0)
    throw Exception(Error::InvalidArgument,
                    "there are no kernels '" + std::string(prefer) + "' to prefer here, only " + names);
  return tables;
}

}  // namespace gf
