// Weights, State, Session: a Program made ready to run. Nothing here allocates: the caller gives all memory, told by
// memory_needs(). create is the last place that may fail for resources; run checks only what depends on data.
// Thread rule: Weights are immutable and shared; a State has one writer at a time; a Session belongs to one thread at a
// time (a second one gets Error::Busy).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/core/result.h"
#include "runtime/exec/options.h"
#include "runtime/load/program.h"

namespace gf {

struct SessionCore;
struct WeightsHeader;

/// Bytes of temporary memory that memory_needs and Weights::create want (from counts in the file; cheap).
uint64_t work_bytes(const Program& program, const Tables& tables);

/// Chooses kernels and plans memory for `entry` exactly as Session::create will, and says how many bytes of each kind are
/// needed. `work`: at least work_bytes(), aligned to kAlignment, free afterwards. Errors: NotFound (entry),
/// BufferTooSmall (work), Unsupported (a node no kernel takes), BadGraph (shapes in the file contradict the ops).
Error memory_needs(const Program& program, std::string_view entry, const Tables& tables, const SessionOptions& options,
                   std::span<std::byte> work, MemoryNeeds& needs, ErrorDetail* detail = nullptr);

/// What of a file is needed when. The emitter puts large constants last, so the tail is most of a file of weights, or little of it where
/// kernels use them as they are.
struct PackedTail {
  uint64_t begin = 0;   ///< counted from the program's first byte: nothing reads what comes here once weights are packed
  uint64_t window = 0;  ///< most bytes of constants that packing one node takes: for SessionOptions::reader
};

/// The tail for sessions of these options. An embedder that needs its memory may give it away after Weights::create; weights of another
/// kind can then no longer be made, and optional sections in it are gone. With SessionOptions::reader it need not be in memory at all:
/// load and planning read the header, the seal (kSealBytes at the end) and constants of at most kPlanReadBytes, and Weights::create gets
/// the others from the reader, piece by piece. `work`: work_bytes(). Errors: as memory_needs.
Error packed_tail(const Program& program, const Tables& tables, const SessionOptions& options, std::span<std::byte> work,
                  PackedTail& tail, ErrorDetail* detail = nullptr);

/// Reads all constants of at most `limit` bytes to their places in `file`, which the program was loaded from with nothing but header and
/// seal in it. False: a read failed.
bool read_small_constants(const Program& program, const ConstantReader& reader, std::byte* file, uint64_t limit = kPlanReadBytes);

/// For ConstantReader::constant: reads constant `index` into the window, behind the `used` bytes of it. Errors: BufferTooSmall, IoError.
Error read_constant(const ConstantReader& reader, const Program& program, uint32_t index, uint64_t& used, const std::byte*& data,
                    ErrorDetail* detail);

/// Constants of a program in the form the chosen kernels want. A view of caller memory: copyable, must not outlive it.
class Weights {
 public:
  /// Packs the constants of all entries. `memory`: needs.weights_bytes; `create_memory`: needs.create_bytes; `work`: work_bytes().
  static Result<Weights> create(const Program& program, const Tables& tables, const SessionOptions& options,
                                std::span<std::byte> memory, std::span<std::byte> create_memory,
                                std::span<std::byte> work, ErrorDetail* detail = nullptr);
  /// What create left in `memory`, which was moved or copied since. Errors: InvalidArgument (nothing, or not all of it).
  static Result<Weights> at(std::span<const std::byte> memory);
  /// False for a default-made object, and once the memory holds something else: Session::create then refuses it.
  bool valid() const;
  /// Packed bytes of a constant for a layout key, nullptr when there are none.
  const void* find(uint32_t constant, uint64_t key, uint64_t bytes) const;

 private:
  const WeightsHeader* header_ = nullptr;
};

/// What entries write: recurrent state, caches, trained weights. A view of caller memory.
class State {
 public:
  static uint64_t bytes_needed(const Program& program);
  /// Lays out `memory` (bytes_needed, aligned) and sets initial values.
  static Result<State> create(const Program& program, std::span<std::byte> memory, ErrorDetail* detail = nullptr);
  /// Back to the initial values.
  void reset();
  int count() const { return program_->state_count(); }
  /// Index of a state by name, or -1.
  int find(std::string_view name) const;
  /// Dense bytes of state `index` in its logical shape (Program::state).
  std::span<std::byte> bytes(int index) const;
  /// Copies in or out; `size` must be the state's byte size. Errors: NotFound, BufferTooSmall.
  Error read(std::string_view name, void* destination, size_t size) const;
  Error write(std::string_view name, const void* source, size_t size);
  /// All states as one checked block of bytes, any alignment: names, types, shapes and data. Errors: BufferTooSmall.
  uint64_t save_bytes() const;
  Error save(std::span<std::byte> destination, ErrorDetail* detail = nullptr) const;
  /// Takes such a block back: everything, or nothing on an error. Errors: BadFile (damaged), BadChecksum, NotFound (a state that
  /// the block lacks), ShapeMismatch, TypeMismatch (saved by another program).
  Error restore(std::span<const std::byte> saved, ErrorDetail* detail = nullptr);

 private:
  const Program* program_ = nullptr;  // not owned
  std::byte* memory_ = nullptr;       // not owned
};

/// What create decided for a node.
struct NodeReport {
  const char* op = "";
  const char* kernel = "";            ///< "" for control flow
  const char* refused = "";           ///< why the best other kernel was not taken; "" when there was none
  std::string_view name;
  std::string_view origin;
};

/// One entry point ready to run. Movable handle to caller memory.
class Session {
 public:
  Session() = default;
  Session(Session&& other) noexcept : core_(other.core_) { other.core_ = nullptr; }
  Session& operator=(Session&& other) noexcept;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  /// Ends the session: kernels give back what they hold. The memory is the caller's again.
  ~Session() { close(); }
  void close();

  /// Program, weights, state (null when the program has none), tables and memory must outlive the session.
  static Result<Session> create(const Program& program, std::string_view entry, const Weights& weights, State* state,
                                const Tables& tables, const SessionOptions& options, const SessionMemory& memory,
                                ErrorDetail* detail = nullptr);

  int input_count() const;
  int output_count() const;
  int find_input(std::string_view name) const;   ///< -1 when there is none
  int find_output(std::string_view name) const;
  std::string_view input_name(int i) const;      ///< empty when there is none
  std::string_view output_name(int i) const;

  /// Input i with its current shape. `data` is planned memory to write into, or what was bound.
  TensorView input(int i) const;
  /// Output i. Shape and data are those of the last run (before it: bounds).
  TensorView output(int i) const;

  /// Sets the shape of a dynamic input, inside its bounds, without heap. Takes effect at the next run (or resolve()).
  /// Errors: InvalidArgument (index), ShapeMismatch, ShapeOutOfBounds.
  Error set_input_shape(int i, std::span<const int64_t> dims, ErrorDetail* detail = nullptr);
  /// Shapes of everything that depends on input shapes only; run does it when needed.
  Error resolve(ErrorDetail* detail = nullptr);
  /// Caller memory for an input (options.external_inputs): `bytes` >= the bound's byte size; aligned to the element size.
  /// May be called between runs. Errors: InvalidArgument, WrongPhase (not external), BufferTooSmall, Misaligned.
  Error bind_input(int i, const void* data, size_t bytes, ErrorDetail* detail = nullptr);
  Error bind_output(int i, void* data, size_t bytes, ErrorDetail* detail = nullptr);

  /// Runs once. No heap, no exceptions. Errors: WrongPhase (something is not bound), Busy, Cancelled, and data-dependent
  /// ones (IndexOutOfRange, DivisionByZero, BadData, ShapeOutOfBounds). After an error State is unchanged.
  Error run(ErrorDetail* detail = nullptr);

  /// A run is going on (on another thread, or around a callback of its own). Any thread.
  bool running() const;
  int node_count() const;
  NodeReport node(int i) const;
  MemoryNeeds memory() const;
  void set_profile(const ProfileHook& hook);
  void set_cancel(const std::atomic<bool>* cancel);

 private:
  friend class SessionReport;
  SessionCore* core_ = nullptr;
};

}  // namespace gf
