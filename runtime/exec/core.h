// Records of a session in caller memory. Internal to runtime/exec.
#pragma once

#include <atomic>
#include <cstddef>
#include <type_traits>

#include "runtime/core/bump.h"
#include "runtime/exec/session.h"
#include "runtime/plan/arena_plan.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"

namespace gf {

struct TensorRecord {
  TensorView view;                  // what kernels see; data set when memory is assigned
  Shape bound;                      // upper bounds from the file
  uint64_t capacity = 0;            // bytes at the bounds
  uint64_t offset = 0;              // in the arena, when `planned`
  Dim* values = nullptr;            // integer contents known to shape inference
  int32_t value_capacity = 0;
  int32_t value_count = -1;
  int32_t first = -1, last = -1;    // steps between which it is alive
  int32_t root = -1;                // tensor whose memory it shares (itself when it has its own)
  uint32_t index = 0;               // constant, state or input index
  uint32_t graph = 0;
  uint8_t kind = 0;
  bool is_static = true;
  bool shape_known = true;          // now, without looking at data
  bool is_output = false;           // of the entry
  bool handed_over = false;         // copied into or out of a sub-graph by the session: keeps memory of its own
  bool planned = false;             // lives in the arena
  bool unbounded = false;           // lives in the pool, from its making to its last reader
  bool pooled = false;              // has a block of the pool now: [offset, offset + capacity)
};
static_assert(std::is_standard_layout_v<TensorRecord> && offsetof(TensorRecord, view) == 0, "a view leads to its record");

struct NodeRecord {
  const OpDef* def = nullptr;
  const Kernel* kernel = nullptr;
  const fb::Node* source = nullptr;
  void* attrs = nullptr;
  void* data = nullptr;
  bool initialized = false;         // kernel's init succeeded: destroy is owed
  const TensorView** in = nullptr;
  TensorView** out = nullptr;
  int32_t in_count = 0, out_count = 0;
  KernelPlan plan;
  const void* packed[kMaxPacks] = {};
  const char* refused = "";
  uint32_t graph = 0;
  int32_t begin = 0, end = 0;       // steps: equal for plain nodes, around the sub-graphs for control flow
  bool late = false;                // shapes known only while running
  bool writes_state = false;
  bool after_write = false;         // stands behind a node that writes State: nothing may stop it
  bool pool = false;                // reads or writes a value without a bound: sized anew in every run

  /// Record of an input or output, nullptr for one that is left out.
  TensorRecord* input(int32_t k) const { return reinterpret_cast<TensorRecord*>(const_cast<TensorView*>(in[k])); }
  TensorRecord* output(int32_t k) const { return reinterpret_cast<TensorRecord*>(out[k]); }
};

struct GraphRecord {
  uint32_t first_node = 0;
  uint32_t node_count = 0;
  int32_t owner = -1;               // node that owns it, -1 for the entry's own
};

struct SessionCore {
  const Program* program = nullptr;
  const fb::Entry* entry = nullptr;
  SessionOptions options;
  Tables tables;
  std::span<TensorRecord> tensors;
  std::span<NodeRecord> nodes;
  std::span<GraphRecord> graphs;
  std::span<InferTensor> infer_in, infer_out;   // scratch for one inference
  std::span<TensorInfo> info_in, info_out;      // scratch for one prepare
  std::span<PlanItem> plan_items;
  std::span<uint32_t> plan_order;
  std::span<uint32_t> pool_order;               // tensors with a block, by offset; the first pool_count are valid
  uint32_t pool_count = 0;
  TensorRecord* pool_scratch = nullptr;         // stands behind `tensors`: scratch of the pool node that runs
  std::span<std::byte> pool;
  MemoryNeeds needs;
  uint64_t scratch_worker_offset = 0;           // of the per-worker areas inside scratch
  uint64_t scratch_worker_bytes = 0;
  std::byte* scratch = nullptr;
  bool shapes_dirty = false;
  bool intervals = false;                       // shapes are intervals just now: the file's dims, not view.shape (create only)
  bool state_written = false;
  std::atomic<uint32_t> running{0};             // a word: to exchange a byte, RISC-V calls a library (libatomic)

  TensorRecord& tensor(int32_t id) { return tensors[static_cast<size_t>(id)]; }
  const fb::Graph& graph(uint32_t g) const { return *entry->graphs()->Get(g); }
};

// --- build.cpp: decode, infer, choose kernels, plan
/// BufferTooSmall or Misaligned if `memory`, named `what` in the text, is not what a create needs.
Error check_memory(std::span<std::byte> memory, uint64_t needed, const char* what, ErrorDetail* detail);
/// Carves the records (or only counts when `memory` counts).
SessionCore* carve_session(const Program& program, int entry, const Tables& tables, Bump& memory);
/// Everything up to the memory plan; core->needs is filled except weights, state and create bytes.
Error build_session(const Program& program, int entry, const Tables& tables, const SessionOptions& options, Bump& memory,
                    SessionCore*& core, ErrorDetail* detail);
/// The same without room for kernel data: for telling needs and for packing.
Error plan_only(const Program& program, int entry, const Tables& tables, const SessionOptions& options, Bump& memory,
                SessionCore*& core, ErrorDetail* detail);
/// The node as its kernel sees it; arrays are core's scratch and valid until the next call.
NodeView node_view(SessionCore& core, NodeRecord& node);
/// The same with the shapes of this moment, for nodes whose shapes have no bound.
NodeView current_view(SessionCore& core, NodeRecord& node);
/// Puts op, name and origin of node `index` in front of the text of `detail`.
Error blame(SessionCore& core, size_t index, Error error, ErrorDetail* detail);

// --- weights.cpp
/// needs.weights_bytes and needs.create_bytes.
Error weights_needs(const Program& program, const Tables& tables, const SessionOptions& options, std::span<std::byte> work,
                    MemoryNeeds& needs, ErrorDetail* detail);

// --- resolve.cpp: shapes
/// Infers one node from current shapes; `with_data`: contents may be read (running).
Error infer_record(SessionCore& core, size_t node, bool with_data, ErrorDetail* detail);
Error resolve_session(SessionCore& core, ErrorDetail* detail);
/// The same at create: at the upper bounds, or, where those are no legal sizes together, with every size an interval; then
/// the session has no current shapes yet (shapes_dirty) and the run's own sizes decide.
Error resolve_bounds(SessionCore& core, ErrorDetail* detail);
/// Fails with `code` unless `s` (or some shape of these intervals) may stand where `t` was planned: the file's very shape when
/// that is fixed, else no dimension over its bound. Kernels size their scratch by the bounds: fewer bytes alone do not do.
Error check_plan(const TensorRecord& t, const DimShape& s, const char* what, Error code, ErrorDetail* detail, int32_t node);

// --- pool.cpp: values without a bound. First fit; a block is freed after its last reader, all of them when a run begins.
/// Gives `t` a block of `bytes` (dropping the one it has). Error: OutOfMemory.
Error pool_allocate(SessionCore& core, TensorRecord& t, uint64_t bytes, ErrorDetail* detail, int32_t node);
/// A larger block for `t` that keeps its first `keep` bytes.
Error pool_grow(SessionCore& core, TensorRecord& t, uint64_t bytes, uint64_t keep, ErrorDetail* detail, int32_t node);
void pool_release(SessionCore& core, TensorRecord& t);
/// Frees what has no reader after `step`.
void pool_sweep(SessionCore& core, int32_t step);
void pool_clear(SessionCore& core);

// --- run.cpp
Error run_graph(SessionCore& core, uint32_t graph, ErrorDetail* detail);

inline constexpr uint64_t kDenseKey = 1;        // pack key of "dense form of a constant that is stored shorter"

}  // namespace gf
