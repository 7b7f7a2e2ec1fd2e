// Which ops have a gradient: the list that the definitions give.
#pragma once

#include <string>
#include <vector>

namespace gf {

struct GradientRow {
  std::string op;
  std::string why_not;  ///< empty: it has one
};
/// Every op, by name.
std::vector<GradientRow> gradient_table();

}  // namespace gf
