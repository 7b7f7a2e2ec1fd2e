#include "trainer/autodiff/gradient_table.h"

#include <algorithm>

#include "schema/ops.h"

namespace gf {

std::vector<GradientRow> gradient_table() {
  std::vector<GradientRow> rows;
  for (const OpDef* op : AllOps::kRows) {
    const std::string_view says = op->gradient;
    rows.push_back({op->info.name, says == "rule" ? std::string() : std::string(says)});
  }
  std::sort(rows.begin(), rows.end(), [](const GradientRow& a, const GradientRow& b) { return a.op < b.op; });
  return rows;
}

}  // namespace gf
