// The kernel interface: what a backend gives for an op. A kernel accepts or refuses a node (prepare), packs weights,
// sets up its own data (init) and runs. Tables of kernels are passed in by value; there is no registry.
// Thread rule: prepare/pack/init run on the creating thread; run belongs to the thread that runs the session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/core/dtype.h"
#include "runtime/core/error.h"
#include "runtime/core/shape.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"
#include "schema/op.h"

namespace gf {

struct Kernel;

/// Dense row-major tensor (NHWC for images). Not owned. `data` is aligned to 64 bytes when it lies in planned memory,
/// to the element size when the caller bound it.
struct TensorView {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::Invalid;

  int64_t count() const { return shape.count(); }
  template <class T>
  T* as() const { return static_cast<T*>(data); }
};

/// Every arena buffer may be read this many bytes past its end (contents unspecified).
inline constexpr size_t kTailBytes = 64;
/// Alignment of arena buffers and of segments in a .gf file.
inline constexpr size_t kAlignment = 64;

/// Longest constant that shape inference and `prepare` may read; `pack` gets all of them.
inline constexpr uint64_t kPlanReadBytes = 65536;

/// What is known of an input or output when kernels are chosen.
struct TensorInfo {
  bool present = false;
  DType dtype = DType::Invalid;
  Shape shape;                      ///< upper bounds where `is_static` is false
  bool is_static = true;            ///< shape never changes
  bool is_constant = false;         ///< contents never change while a session lives; may be packed
  bool is_state = false;            ///< lives in State
  bool is_padded = false;           ///< planned memory: aligned to kAlignment, kTailBytes readable past the end
  const void* constant_data = nullptr;  ///< element bytes of a constant (any alignment >= element size)
};

/// A node as kernels see it before running. Not owned; lives during prepare/pack/init only.
struct NodeView {
  const OpDef* def = nullptr;
  const void* attrs = nullptr;
  std::span<const TensorInfo> inputs;
  std::span<const TensorInfo> outputs;
  Isa isa = Isa::Portable;          ///< best level that may be used
  int threads = 1;
  bool exact = false;               ///< train step: NaN and denormals must survive (rules out XNNPACK)
  const Kernel* kernel = nullptr;   ///< the row that is asked: for functions that serve several rows

  template <class Attrs>
  const Attrs& attributes() const { return *static_cast<const Attrs*>(attrs); }
  bool has_input(int i) const { return i < static_cast<int>(inputs.size()) && inputs[static_cast<size_t>(i)].present; }
  bool has_output(int i) const { return i < static_cast<int>(outputs.size()) && outputs[static_cast<size_t>(i)].present; }
  const TensorInfo& input(int i) const { return inputs[static_cast<size_t>(i)]; }
  const TensorInfo& output(int i) const { return outputs[static_cast<size_t>(i)]; }
  /// Every present input and output has a shape that never changes.
  bool is_static() const {
    for (const TensorInfo& t : inputs)
      if (t.present && !t.is_static) return false;
    for (const TensorInfo& t : outputs)
      if (t.present && !t.is_static) return false;
    return true;
  }
};

inline constexpr int kMaxPacks = 4;

/// A constant input in the form a kernel wants. Packs with equal (constant, key, bytes) are shared by nodes and entries,
/// so `key` must tell apart layouts and everything the packed bytes depend on besides the constant itself.
struct PackRequest {
  int input = -1;                   ///< constant input the request is about
  uint64_t key = 0;                 ///< layout id, non-zero
  uint64_t bytes = 0;
  /// Writes `bytes` bytes to `destination` (aligned to kAlignment). All constant inputs have dense data here.
  Error (*pack)(const NodeView& node, void* destination) = nullptr;
};

/// What a kernel asks for when it accepts a node. Sizes hold for every shape within the bounds.
struct KernelPlan {
  uint64_t data_bytes = 0;                ///< per-node memory that lives as long as the session (kAlignment)
  uint64_t scratch_bytes = 0;             ///< shared between nodes, contents lost between runs (kAlignment)
  uint64_t scratch_bytes_per_worker = 0;  ///< same, times threads; worker w starts at w * aligned size
  PackRequest packs[kMaxPacks];
  int pack_count = 0;
  /// Inputs (bit i) whose memory output 0 may take over, when this node is their last reader and the bytes fit.
  uint32_t inplace_inputs = 0;
  const char* refused = "";               ///< on Error::Unsupported: why, a fixed string

  Error refuse(const char* reason) {
    refused = reason;
    return Error::Unsupported;
  }
  /// Adds a request and returns its slot.
  int request_pack(int input, uint64_t key, uint64_t bytes, Error (*pack)(const NodeView&, void*)) {
    packs[pack_count] = {input, key, bytes, pack};
    return pack_count++;
  }
};

/// For init: per-node memory and packed weights.
struct InitContext {
  void* data = nullptr;                            ///< data_bytes, kAlignment, zeroed
  uint64_t data_bytes = 0;                         ///< as planned
  const void* packed[kMaxPacks] = {};
  ParallelFor parallel;
  /// The tensors of every later run. Addresses are final where TensorInfo::is_padded says planned memory and for
  /// constants; what the caller binds has no address yet. nullptr entries: absent.
  const TensorView* const* inputs = nullptr;
  TensorView* const* outputs = nullptr;
  void* scratch = nullptr;                         ///< plan.scratch_bytes, free to use until init returns
  ErrorDetail* detail = nullptr;
};

/// For run. Inputs and outputs are dense; outputs have their shapes set unless the op is kOpDataShape.
struct RunContext {
  const void* attrs = nullptr;
  const TensorView* const* inputs = nullptr;       ///< nullptr entries: input absent
  TensorView* const* outputs = nullptr;            ///< nullptr entries: output not wanted
  int input_count = 0;
  int output_count = 0;
  void* data = nullptr;
  void* scratch = nullptr;
  uint64_t scratch_bytes_per_worker = 0;           ///< distance between workers' areas
  void* worker_scratch = nullptr;
  const void* packed[kMaxPacks] = {};
  ParallelFor parallel;
  uint64_t output_capacity = 0;                    ///< kOpDataShape: bytes planned for output 0
  ErrorDetail* detail = nullptr;
  int32_t node = -1;
  const OpDef* def = nullptr;                      ///< and the row that runs: for functions that serve several
  const Kernel* kernel = nullptr;

  template <class Attrs>
  const Attrs& attributes() const { return *static_cast<const Attrs*>(attrs); }
  bool has_input(int i) const { return i < input_count && inputs[i] != nullptr; }
  bool has_output(int i) const { return i < output_count && outputs[i] != nullptr; }
  const TensorView& input(int i) const { return *inputs[i]; }
  TensorView& output(int i) const { return *outputs[i]; }
  template <class T>
  T* scratch_of(int worker) const {
    return reinterpret_cast<T*>(static_cast<unsigned char*>(worker_scratch) +
                                static_cast<uint64_t>(worker) * scratch_bytes_per_worker);
  }
};

/// One row of a kernel table.
struct Kernel {
  uint16_t op = 0;                  ///< OpInfo::id
  const char* name = "";            ///< shown by tools: "conv_nhwc_f32_simd"
  Isa isa = Isa::Portable;          ///< least level needed
  uint16_t rank = 0;                ///< among accepting kernels the highest wins; 0..9 reference, 10.. tuned
  /// Accepts (Ok, plan filled) or refuses (Unsupported, plan.refused says why). Any other error ends create. No side effects.
  Error (*prepare)(const NodeView& node, KernelPlan& plan) = nullptr;
  Error (*init)(const NodeView& node, InitContext& context) = nullptr;   ///< optional
  Error (*run)(RunContext& context) = nullptr;                           ///< no heap, no exceptions
  void (*destroy)(void* data) = nullptr;                                 ///< optional, pairs with a successful init
};

/// Kernels of one provider, by value. Not owned. Rows are pointers so that tables are constant data without start-up code.
using KernelTable = std::span<const Kernel* const>;

/// Everything a Session is made from besides memory: op rows and kernel tables, tried together by rank; at equal rank
/// the earlier table wins. Not owned.
struct Tables {
  static constexpr int kMaxKernelTables = 8;
  OpTable ops;
  KernelTable kernels[kMaxKernelTables];
  int kernel_table_count = 0;
  int preferred = -1;               ///< table whose kernels win wherever they accept; -1: ranks alone decide

  constexpr void add(KernelTable table) {
    if (kernel_table_count < kMaxKernelTables) kernels[kernel_table_count++] = table;
  }
  /// What accepting kernels are compared by.
  constexpr int rank(int table, const Kernel& kernel) const { return kernel.rank + (table == preferred ? 1 << 16 : 0); }
};

}  // namespace gf
