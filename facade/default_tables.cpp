// The tables of this build: every op, tuned kernels first, portable ones behind them.
#include "facade/evaluate.h"
#include "ops/cpu/table.h"
#include "schema/ops.h"

namespace gf {

Tables default_tables() {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::portable_kernels());
  return tables;
}

}  // namespace gf
