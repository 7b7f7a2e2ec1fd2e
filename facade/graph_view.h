// The graph of an entry as tools draw it: tensors, nodes with attributes, sub-graphs, and (of a session) the memory plan.
// Reads the verified file only. Heap memory, ordinary C++; safe from several threads at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "facade/inspect.h"
#include "runtime/exec/session.h"

namespace gf {

enum class TensorRole : uint8_t { Computed = 0, Constant = 1, State = 2, Input = 3 };

struct GraphTensor {
  std::string name;                 ///< its own, else that of its constant or state; may be empty
  DType dtype = DType::Invalid;
  TensorRole role = TensorRole::Computed;
  std::vector<std::string> shape;   ///< "64", a symbol's name, "<=64" for other expressions, "?" without a bound
  uint64_t bytes = 0;               ///< at the upper bounds; 0 when there is none
  uint64_t stored_bytes = 0;        ///< constants: in the file (one element for splats)
  int32_t source = -1;              ///< index of the constant, state or input
  bool splat = false, unbounded = false, shape_unknown = false;
  std::string quantization;         ///< "" or a sentence
};

struct GraphAttribute {
  std::string name, value;
  bool is_default = false;
};

struct GraphNode {
  NodeInfo info;
  std::string origin;
  std::string family;                     ///< "product", "elementwise", "movement", ...: what kind of work it is
  std::vector<int32_t> inputs, outputs;   ///< tensors; -1 left out
  std::vector<uint32_t> graphs;           ///< sub-graphs it owns
  std::vector<GraphAttribute> attributes;
};

struct GraphBlock {
  std::vector<int32_t> nodes;             ///< as Session numbers them
  std::vector<int32_t> inputs, outputs;   ///< tensors
};

struct GraphView {
  std::vector<GraphTensor> tensors;
  std::vector<GraphNode> nodes;
  std::vector<GraphBlock> graphs;         ///< [0] is the entry's own
};

GraphView view_graph(const Program& program, int entry);

struct PlannedBuffer {
  uint64_t offset = 0, bytes = 0;
  int32_t first = 0, last = 0;            ///< steps, both included
  std::vector<int32_t> tensors;           ///< that use it one after the other or as views; the first is the one it is planned for
};
struct MemoryPlan {
  std::vector<PlannedBuffer> buffers;     ///< by offset, then first step
  std::vector<std::pair<int32_t, int32_t>> steps;  ///< of each node: first, last
};

MemoryPlan view_memory(const Session& session, const GraphView& graph);

}  // namespace gf
