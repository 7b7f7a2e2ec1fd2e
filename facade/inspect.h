// What is in a program, for people and tools: the file's facts, and the nodes of an entry in the order of
// Session::node, with op, types, shapes and the work that they do. Reads the verified file only; varying dimensions
// count at their upper bounds. Heap memory, ordinary C++; safe from several threads at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/load/program.h"

namespace gf {

struct NodeInfo {
  const OpDef* def = nullptr;
  std::string name;  ///< node name, else its origin, else "#index"
  std::string op;
  std::vector<DType> dtypes;                          ///< of inputs and outputs, each once, ascending
  std::vector<std::vector<int64_t>> inputs, outputs;  ///< shapes; absent ones are empty
  uint64_t macs = 0;                                  ///< multiply-accumulates of one execution (schema/macs.h)
  int activation = -1;                                ///< value of Activation, of ops that end with one; -1: it has none
  bool nested = false;                                ///< inside If or Loop: runs 0 or more times
};

/// All nodes of an entry, sub-graphs behind the entry's own nodes, exactly as Session numbers them.
std::vector<NodeInfo> list_nodes(const Program& program, int entry);
/// Sum over the nodes; nodes inside If and Loop count once.
uint64_t total_macs(const std::vector<NodeInfo>& nodes);
/// States that the entry reads or writes, as indices of Program::state.
std::vector<int> states_of(const Program& program, int entry);

struct SectionInfo {
  std::string kind;
  bool required = false;
  uint64_t bytes = 0;
};
struct FileInfo {
  int version_major = 0, version_minor = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<SectionInfo> sections;
  size_t constants = 0;
};
FileInfo file_info(const Program& program);

/// Memory of this process that is in RAM now, and the most it has been; 0 where the system does not tell.
uint64_t process_rss_bytes();
uint64_t process_peak_rss_bytes();

}  // namespace gf
