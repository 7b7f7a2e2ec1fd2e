// Program: a verified, read-only view of a .gf file. Load checks untrusted bytes completely (structure, graph, attributes,
// ranges); afterwards nothing re-checks them. Holds no memory: bytes and op rows are the caller's and must outlive it.
// Thread rule: immutable, any number of threads.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runtime/core/result.h"
#include "runtime/load/limits.h"
#include "schema/op.h"

namespace gf {

namespace fb {
struct Model;
struct Entry;
struct Node;
struct Attr;
}  // namespace fb

struct LoadOptions {
  Limits limits;
  /// Also check the checksum over the whole file. Reads every byte: the tools always do, apps choose.
  bool verify_data = false;
};

/// A named input or output of an entry.
struct PortInfo {
  std::string_view name;
  DType dtype = DType::Invalid;
  int rank = 0;
  int64_t bounds[kMaxRank] = {};        ///< size, or upper bound where symbols[d] >= -2 says so
  int32_t symbols[kMaxRank] = {};       ///< -1: fixed size; >= 0: index of the entry's symbol; -2: another expression
  bool is_static() const {
    for (int d = 0; d < rank; ++d)
      if (symbols[d] != -1) return false;
    return true;
  }
};

/// A named dimension with its interval.
struct SymbolInfo {
  std::string_view name;
  int64_t lo = 0;
  int64_t hi = 0;
};

class Program {
 public:
  /// Verifies `bytes` (alignment 64, as mmap and aligned allocators give) and returns the view.
  /// Errors: Misaligned, BadFile, BadVersion, BadChecksum, BadGraph, BadAttribute, UnknownOp, LimitExceeded; `detail` (may be
  /// null) says where.
  static Result<Program> load(std::span<const std::byte> bytes, const OpTable& ops, const LoadOptions& options = {},
                              ErrorDetail* detail = nullptr);

  int entry_count() const;
  std::string_view entry_name(int entry) const;
  /// Index of the entry, or -1.
  int find_entry(std::string_view name) const;

  int input_count(int entry) const;
  int output_count(int entry) const;
  PortInfo input(int entry, int index) const;
  PortInfo output(int entry, int index) const;
  int symbol_count(int entry) const;
  SymbolInfo symbol(int entry, int index) const;

  int state_count() const;
  PortInfo state(int index) const;
  uint64_t constant_bytes() const;               ///< stored bytes of all constants

  std::string_view metadata(std::string_view key) const;  ///< empty when there is none
  std::string_view producer() const;
  /// Sections of a kind (FORMAT.md), and the bytes of the first; their contents are not checked. Empty when there is none.
  int section_count(std::string_view kind) const;
  std::span<const std::byte> section(std::string_view kind) const;

  /// For the runtime's own layers and tools that show a file: the verified FlatBuffers root and the op rows.
  const fb::Model& raw() const { return *model_; }
  const OpTable& ops() const { return ops_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  const Limits& limits() const { return limits_; }
  /// False when the first bytes of the file are not what load saw: they were freed or overwritten. Builds with assertions ask
  /// in every create and run; a sanitizer sees more.
  bool intact() const;
  /// Stored bytes of constant `index` (one element for splats; of type Constant.stored where that is set).
  const void* constant_data(uint32_t index) const;

 private:
  std::span<const std::byte> bytes_;
  const fb::Model* model_ = nullptr;
  OpTable ops_;
  Limits limits_;
  uint32_t stamp_ = 0;                           // checksum of the first bytes
};

/// The op row of an Op entry of the file: by id, custom ops by name. nullptr when the table has none.
const OpDef* resolve_op(const OpTable& ops, uint16_t id, std::string_view name);
/// The value that a verified file says; views of its bytes.
AttrValue attr_value(const fb::Attr& attr);
/// Decodes the attributes of a verified node into `attrs` (def.attrs_bytes, already aligned).
Error decode_attrs(const fb::Node& node, const OpDef& def, void* attrs, ErrorDetail* detail, int32_t index);

}  // namespace gf
