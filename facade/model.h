// Model: the friendly way to run a file. Owns everything (file, memory, threads, weights, state, sessions) and looks
// inputs and outputs up by name. Set-up allocates and throws gf::Exception; run() does neither.
// Thread rule: one thread at a time; make several Models, or Sessions over one Program, to run in parallel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facade/evaluate.h"
#include "runtime/core/exception.h"
#include "runtime/exec/session.h"

namespace gf {

struct ModelOptions {
  int threads = 0;                    ///< 0: all physical cores
  std::optional<Isa> isa;             ///< default: the best of this machine; given: at most this
  bool strict = false;                ///< refuse reference kernels
  bool verify_data = false;           ///< check the checksum over all data
  bool xnnpack = true;                ///< let XNNPACK take part (never where `isa` is below the machine's: it has its own)
  std::string prefer;                 ///< kernels that win wherever they accept, see default_tables; "xnnpack": its thread pool too
  bool external_io = false;           ///< inputs and outputs are bound by the caller
  std::optional<Tables> tables;       ///< default: default_tables(xnnpack, prefer)
  uint64_t pool_bytes = uint64_t{64} << 20;  ///< for values without a bound, in entries that have them
  Limits limits;
};

/// How long set-up took.
struct SetupTimes {
  double load_ms = 0;                 ///< open and verify the file
  double create_ms = 0;               ///< choose kernels, pack weights, plan memory (all entries used so far)
};

class Model {
 public:
  /// Opens (maps) a .gf file. Throws: NotFound, IoError, BadFile, ...
  static Model load(const std::string& path, const ModelOptions& options = {});
  /// Takes the bytes of a .gf file.
  static Model from_bytes(std::vector<std::byte> bytes, const ModelOptions& options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const Program& program() const;
  State* state();                     ///< nullptr when the program has none
  const SetupTimes& times() const;
  Isa isa() const;
  int threads() const;

  /// Session of an entry, made on first use. Throws when it cannot be made.
  Session& session(std::string_view entry = "main");
  /// Needs of an entry's session.
  MemoryNeeds needs(std::string_view entry = "main");

  /// Runs `entry` with inputs by name (missing inputs keep what they had) and returns all outputs by name. Convenient, and
  /// copies; for speed write into session().input(i).data and call session().run().
  std::vector<std::pair<std::string, HostTensor>> run(const std::vector<std::pair<std::string, HostTensor>>& inputs,
                                                      std::string_view entry = "main");

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Copies `tensor` into input `name` of a session: checks type, sets the shape. Throws gf::Exception.
void set_input(Session& session, std::string_view name, const HostTensor& tensor);
/// Copies output i out of a session.
HostTensor get_output(const Session& session, int i);

}  // namespace gf
