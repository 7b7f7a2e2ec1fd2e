// Times of nodes out of a trace that gf-bench wrote.
#pragma once

#include <string>
#include <vector>

#include "facade/graph_view.h"
#include "tools/common/cli.h"

namespace gf::cli {

struct NodeTime {
  double ms = 0;     ///< of one run, all its executions together
  double calls = 0;  ///< executions in one run
};
struct Trace {
  std::string entry;
  int64_t runs = 0;
  std::vector<NodeTime> nodes;  ///< one per node of the entry
};

/// Reads `path`. Throws BadFile where it is not a trace of gf-bench, or one of another model: nodes that this entry does not
/// have, or other ops at their places.
Trace read_trace(const std::string& path, const Program& program);

}  // namespace gf::cli
