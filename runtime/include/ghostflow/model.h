// Model: the friendly way to run a file. Owns everything (file, memory, threads, weights, state, sessions) and looks
// inputs and outputs up by name. Set-up allocates and throws gf::Exception; run() allocates nothing unless it fails.
// Thread rule: one thread at a time; make several Models, or Sessions over one Program, to run in parallel.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/core/exception.h"
#include "runtime/exec/session.h"
#include "runtime/include/ghostflow/tables.h"

namespace gf {

struct ModelOptions {
  int threads = 0;                    ///< 0: all physical cores
  ParallelFor parallel;               ///< threads of the caller's instead (not owned); `threads` is then ignored
  std::optional<Isa> isa;             ///< default: the best of this machine; given: at most this
  bool strict = false;                ///< refuse reference kernels
  bool verify_data = false;           ///< check the checksum over all data
  bool xnnpack = true;                ///< let XNNPACK take part (never where `isa` is below the machine's: it has its own)
  std::string prefer;                 ///< kernels that win wherever they accept, see default_tables; "xnnpack": its thread pool too
  bool external_io = false;           ///< inputs and outputs are bound by the caller (zero copy)
  std::optional<Tables> tables;       ///< default: default_tables(xnnpack, prefer)
  std::vector<const OpDef*> custom_ops;         ///< rows added to the tables; not owned
  std::vector<const Kernel*> custom_kernels;    ///< kernels added likewise, tried before the others of equal rank
  uint64_t pool_bytes = uint64_t{64} << 20;  ///< for values without a bound, in entries that have them
  Limits limits;
};

/// How long set-up took.
struct SetupTimes {
  double load_ms = 0;                 ///< open and verify the file
  double create_ms = 0;               ///< choose kernels, pack weights, plan memory (all entries used so far)
};

/// What Model throws when a node of the model is to blame, and for every other failure of loading, set-up and running.
class ModelError : public Exception {
 public:
  ModelError(Error code, const std::string& what, int32_t node) : Exception(code, what), node_(node) {}
  /// Index of the node in its entry; -1 when none is to blame.
  int32_t node() const { return node_; }

 private:
  int32_t node_;
};

class Model {
 public:
  /// Opens (maps) a .gf file. Throws: NotFound, IoError, BadFile, ...
  static Model load(const std::string& path, const ModelOptions& options = {});
  /// Copies the bytes of a .gf file.
  static Model from_bytes(std::span<const std::byte> bytes, const ModelOptions& options = {});
  /// Uses the bytes of a .gf file in place: aligned to 64, unchanged and alive until the model is gone.
  static Model from_memory(std::span<const std::byte> bytes, const ModelOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Elements of an input, to write into; dense, row-major, in the input's current shape. T: the C++ type of its elements
  /// (float, double, int8_t ... uint64_t, bool; uint16_t for float16 and bfloat16), or std::byte for any. Valid until the
  /// input's shape changes. Throws: NotFound (name), TypeMismatch (T), WrongPhase (external_io, nothing bound yet).
  template <class T>
  std::span<T> input(std::string_view name, std::string_view entry = "main") {
    const TensorView v = typed(input_view(name, entry), name, dtypes_of<T>());
    return {static_cast<T*>(v.data), span_size<T>(v)};
  }
  /// Elements of an output after run(), in the shape that output_view() tells. T and errors as for input().
  template <class T>
  std::span<const T> output(std::string_view name, std::string_view entry = "main") {
    const TensorView v = typed(output_view(name, entry), name, dtypes_of<T>());
    return {static_cast<const T*>(v.data), span_size<T>(v)};
  }
  /// Type, shape and data of an input or output. Throws: NotFound.
  TensorView input_view(std::string_view name, std::string_view entry = "main");
  TensorView output_view(std::string_view name, std::string_view entry = "main");
  /// New shape of a dynamic input, inside its bounds. Throws: NotFound, ShapeMismatch, ShapeOutOfBounds.
  void set_shape(std::string_view input, std::span<const int64_t> dims, std::string_view entry = "main");

  /// Runs an entry. Throws what Session::run returns; State is then as it was.
  void run(std::string_view entry = "main");

  const Program& program() const;
  /// Lines of the file's metadata "labels", so that labels()[i] names class i; empty when it has none.
  std::vector<std::string> labels() const;
  State* state();                     ///< nullptr when the program has none
  const SetupTimes& times() const;
  const Tables& tables() const;       ///< what sessions are made from, custom ops and kernels included
  Isa isa() const;
  int threads() const;

  /// Session of an entry, made on first use (every name-taking function above does so). Throws when it cannot be made.
  /// The entry "main" stands for the only entry of a file that has one under another name.
  Session& session(std::string_view entry = "main");
  /// Needs of an entry's session.
  MemoryNeeds needs(std::string_view entry = "main");

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);

  template <class T>
  static constexpr DTypeSet dtypes_of();
  template <class T>
  static size_t span_size(const TensorView& v) {
    return std::is_same_v<T, std::byte> ? byte_count(v) : static_cast<size_t>(v.count());
  }
  static TensorView typed(const TensorView& view, std::string_view name, DTypeSet types);
  static size_t byte_count(const TensorView& view);

  std::unique_ptr<Impl> impl_;
};

template <class T>
constexpr DTypeSet Model::dtypes_of() {
  if constexpr (std::is_same_v<T, std::byte>) return kAnyDense;
  else if constexpr (std::is_same_v<T, float>) return dtypes(DType::F32);
  else if constexpr (std::is_same_v<T, double>) return dtypes(DType::F64);
  else if constexpr (std::is_same_v<T, bool>) return kBoolOnly;
  else {
    static_assert(std::is_integral_v<T>, "elements are numbers, bool or std::byte");
    constexpr bool kSigned = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1) return dtypes(kSigned ? DType::I8 : DType::U8);
    else if constexpr (sizeof(T) == 2) return kSigned ? dtypes(DType::I16) : dtypes(DType::U16, DType::F16, DType::BF16);
    else if constexpr (sizeof(T) == 4) return dtypes(kSigned ? DType::I32 : DType::U32);
    else return dtypes(kSigned ? DType::I64 : DType::U64);
  }
}

}  // namespace gf
