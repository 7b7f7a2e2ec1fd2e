// Limits on what a file may make the loader do. One struct, documented defaults; raise them knowingly.
#pragma once

#include <cstdint>

namespace gf {

struct Limits {
  uint64_t file_bytes = uint64_t{1} << 42;        ///< whole file
  uint32_t tables = 1U << 20;                     ///< FlatBuffers tables (nodes, tensors, attributes, ...)
  uint32_t tensors = 1U << 20;                    ///< per entry
  uint32_t nodes = 1U << 19;                      ///< per entry, sub-graphs included
  uint32_t entries = 256;
  int graph_depth = 16;                           ///< nesting of sub-graphs
  int64_t tensor_elements = int64_t{1} << 40;     ///< per tensor
  uint64_t planned_bytes = uint64_t{1} << 40;     ///< activations + scratch of one session
  uint32_t name_bytes = 4096;                     ///< names and attribute strings
  int64_t loop_trips = int64_t{1} << 32;          ///< iterations of one loop node in one run
};

}  // namespace gf
