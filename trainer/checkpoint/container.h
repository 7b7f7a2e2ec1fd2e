// A checkpoint as a file: safetensors, which every tool opens, with what we need besides in its metadata: version, step, hash of the
// graph, counters as text, a CRC-32C of each tensor and one of the header. Who reads it gets all of it or a gf::Exception.
// Thread rule: plain values; views belong to whoever owns the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/safetensors.h"

namespace gf {

namespace checkpoint {
/// Counters, settings and positions as text; names are the caller's, but do not begin with "gf.".
using Texts = std::map<std::string, std::string>;

inline constexpr int kVersion = 1;
/// Data begin at a multiple of this in the file, and so does each tensor whose size is one.
inline constexpr size_t kAlignment = 64;
}  // namespace checkpoint

/// The state of a training at one moment: what a checkpoint is made of, and what comes out of one.
struct Snapshot {
  int64_t step = 0;                      ///< steps done, from 0 on
  std::string graph = {};                ///< hash of what was trained (graph_hash()); may be empty
  checkpoint::Texts counters = {};       ///< schedule, loader position, generators of random numbers, loss scale, ...
  std::vector<io::SafeTensor> tensors = {};  ///< views; in a Checkpoint into its own bytes
  std::vector<std::shared_ptr<const void>> kept = {};  ///< what the views need to stay alive

  /// nullptr when there is none of that name.
  const io::SafeTensor* find(const std::string& name) const;
  /// Bytes of all tensors: what an asynchronous save takes for its copy.
  uint64_t data_bytes() const;
};

/// A snapshot that was read from a file, with the bytes that its views point into.
struct Checkpoint : Snapshot {
  io::Bytes bytes;

  Checkpoint() = default;
  Checkpoint(Checkpoint&&) = default;
  Checkpoint& operator=(Checkpoint&&) = default;
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
};

/// Checks everything and takes the bytes over. Throws: BadFile (no checkpoint, cut, not well formed), BadVersion, BadChecksum (header or a
/// tensor, by name), LimitExceeded, Unsupported, all beginning with `where`.
Checkpoint parse_checkpoint(io::Bytes bytes, const std::string& where, const io::Limits& limits = {});
/// The same of a file. Also NotFound, IoError.
Checkpoint read_checkpoint(const std::string& path, const io::Limits& limits = {});

/// Hands the file to the writer, tensors straight from where they are; the caller commits. Throws InvalidArgument (a negative step, a reserved
/// or repeated name, text that is not UTF-8), ShapeMismatch, Unsupported, before a byte is written; and what the writer throws.
void write_checkpoint(io::AtomicFileWriter& writer, const Snapshot& snapshot);
/// The same into memory, and into one file, crash-safely: for who wants no generations.
io::Bytes checkpoint_bytes(const Snapshot& snapshot);
void write_checkpoint(const std::string& path, const Snapshot& snapshot);

namespace checkpoint {
/// Puts the right checksum into the header of a file that has a place for it; false when it has none. What the writer does last; for tests
/// that damage what lies behind the checksum.
bool seal_header(std::span<char> head);
}  // namespace checkpoint

}  // namespace gf
