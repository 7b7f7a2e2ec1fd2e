// Who is alive when, in the order of an entry's nodes: what the passes look at that trade memory. A view lives in the memory of what it
// looks at: both are one group, named by its first value; views of inputs, constants and State belong to none.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "graph/ir/graph.h"

namespace gf {

struct Lives {
  explicit Lives(const ir::Entry& entry);

  std::map<ir::ValueId, size_t> maker;                      ///< value -> position of its node
  std::map<ir::ValueId, ir::ValueId> root;                  ///< value -> its group
  std::map<ir::ValueId, std::vector<ir::ValueId>> members;  ///< group -> its values, the first in front
  std::map<ir::ValueId, std::set<size_t>> reads;            ///< group -> positions; one behind the last node: an output of the entry
  std::map<ir::ValueId, size_t> last;                       ///< group -> its last position
  std::map<ir::ValueId, size_t> last_read;                  ///< value by itself -> position
  std::map<int32_t, size_t> replaced;                       ///< State -> position of the node that makes its new value
  std::vector<double> live;                                 ///< bytes while the node of this position runs; inputs and State not counted

  ir::ValueId group(ir::ValueId v) const {
    const auto it = root.find(v);
    return it == root.end() ? ir::kNoValue : it->second;
  }
  /// Where most bytes are alive; `live` must not be empty.
  size_t peak() const;
};

}  // namespace gf
