// What a name means when it is looked up among the entries of a file. Private to the facade.
#pragma once

#include <string_view>

#include "runtime/load/program.h"

namespace gf {

/// Index of the entry; "main" stands for the only entry of a file that has one under another name. -1: there is none.
inline int entry_for(const Program& program, std::string_view name) {
  const int found = program.find_entry(name);
  return found < 0 && name == "main" && program.entry_count() == 1 ? 0 : found;
}

}  // namespace gf
