// A graph as Graphviz text.
#pragma once

#include <string>

#include "tools/common/cli.h"

namespace gf::cli {

/// One digraph, a cluster for each entry and for each sub-graph of If and Loop. Names are quoted, so that no text of the
/// model can be anything else than text.
std::string dot_text(const Program& program, const std::string& title);

}  // namespace gf::cli
