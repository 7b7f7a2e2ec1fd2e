// What a caller tells create, and what it is told beforehand. Plain values.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernel/kernel.h"

namespace gf {

class Program;

/// Called after each node of a profiled session. Runs on the session's thread; must not call back into the session.
struct ProfileHook {
  void (*after_node)(void* context, int32_t node, uint64_t begin_ns, uint64_t end_ns) = nullptr;
  uint64_t (*now_ns)() = nullptr;          ///< monotonic clock; required when after_node is set
  void* context = nullptr;
};

/// Called by Weights::create for each constant of the program that it has packed: kernels use the packed form, so the caller
/// may drop the pages of the original (MappedFile::evict). It may still be read later: packed again, or used as it is.
struct PackedHook {
  void (*packed)(void* context, std::span<const std::byte> original) = nullptr;
  void* context = nullptr;
};

/// Where Weights::create finds constants, when the program's file is not in memory as a whole: see PackedTail. `read` copies `bytes` bytes
/// of the file, from `offset` on, to `to`, or says that it cannot. `window`: PackedTail::window bytes, aligned to kAlignment, free afterwards.
struct ConstantReader {
  bool (*read)(void* context, uint64_t offset, uint64_t bytes, std::byte* to) = nullptr;
  void* context = nullptr;
  std::span<std::byte> window = {};
  /// Set to read_constant: a program that reads no constants this way does not link it.
  Error (*constant)(const ConstantReader& reader, const Program& program, uint32_t index, uint64_t& used, const std::byte*& data,
                    ErrorDetail* detail) = nullptr;
};

struct SessionOptions {
  Isa isa = Isa::Portable;                 ///< best instruction set that kernels may use on this machine
  ParallelFor parallel;                    ///< default: serial
  bool strict = false;                     ///< refuse reference kernels (rank < 10) where a node would need one
  bool external_inputs = false;            ///< inputs live in caller memory: bind before run (zero copy)
  bool external_outputs = false;           ///< outputs likewise
  /// Bytes for values whose size has no upper bound in the file. 0: an entry with such values is refused.
  uint64_t pool_bytes = 0;
  const std::atomic<bool>* cancel = nullptr;  ///< asked between nodes until the first node that writes State. Not owned
  ProfileHook profile;
  PackedHook packed;
  ConstantReader reader;
};

/// Bytes of each kind of memory a session needs. All blocks are aligned to kAlignment. One byte less is a BufferTooSmall
/// from create.
struct MemoryNeeds {
  uint64_t weights_bytes = 0;              ///< packed constants of all entries; shared by every session of the program
  uint64_t state_bytes = 0;                ///< shared by the sessions that work on the same State
  uint64_t session_bytes = 0;              ///< the session's records and kernel data
  uint64_t activation_bytes = 0;           ///< planned arena; may be shared by sessions that never run at once
  uint64_t scratch_bytes = 0;              ///< kernels' scratch (create uses it too); may be shared likewise
  uint64_t pool_bytes = 0;                 ///< options.pool_bytes when the entry has values without a bound, else 0
  uint64_t create_bytes = 0;               ///< needed by Weights::create only, then free
  uint64_t max_live_bytes = 0;             ///< lower bound of activation_bytes for this order of nodes
};

/// Caller memory of one session. Not owned; must outlive it.
struct SessionMemory {
  std::span<std::byte> session;
  std::span<std::byte> activations;
  std::span<std::byte> scratch;
  std::span<std::byte> pool;
};

}  // namespace gf
