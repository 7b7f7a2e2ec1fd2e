// A program as tools show it: nodes of an entry in the order of Session::node, with op, types, shapes and the work that
// they do. Reads the verified file only; varying dimensions count at their upper bounds.
#pragma once

#include <string>
#include <vector>

#include "tools/common/cli.h"

namespace gf::cli {

struct NodeInfo {
  const OpDef* def = nullptr;
  std::string name;                   ///< node name, else its origin, else "#index"
  std::string op;
  std::vector<DType> dtypes;          ///< of inputs and outputs, each once, ascending
  std::vector<std::vector<int64_t>> inputs, outputs;   ///< shapes; absent ones are empty
  std::vector<std::string> reads, writes;              ///< tensor names ("" where the file keeps none)
  uint64_t macs = 0;                  ///< multiply-accumulates of one execution
  bool nested = false;                ///< inside If or Loop: runs 0 or more times
};

/// All nodes of an entry, sub-graphs behind the entry's own nodes, exactly as Session numbers them.
std::vector<NodeInfo> list_nodes(const Program& program, int entry);
/// Multiply-accumulates of matrix products, convolutions, recurrent cells, attention and einsum; 0 for other ops. `attrs`:
/// the op's attribute struct.
uint64_t count_macs(const OpDef& def, const void* attrs, const std::vector<std::vector<int64_t>>& inputs,
                    const std::vector<std::vector<int64_t>>& outputs);
/// Sum over the nodes; nodes inside If and Loop count once.
uint64_t total_macs(const std::vector<NodeInfo>& nodes);
/// [{"op","dtypes","count"}], most frequent first.
Json ops_json(const std::vector<NodeInfo>& nodes);
/// {"name","dtype","shape"}: varying dimensions by name ("?" for other expressions), and then also "bounds".
Json port_json(const Program& program, int entry, const PortInfo& port);
/// States that the entry reads or writes.
std::vector<int> states_of(const Program& program, int entry);

}  // namespace gf::cli
