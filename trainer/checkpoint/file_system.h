// What a folder of checkpoints asks of the system. Internal: the real one beside io's, one in memory in the tests, which can crash.
// Writing goes through io::AtomicFileWriter over `ops`. Thread rule: as the system's own calls.
#pragma once

#include <string>
#include <vector>

#include "io/file.h"

namespace gf::checkpoint {

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual const io::FileOps& ops() const = 0;
  /// Names of the files in a folder, in any order. Throws NotFound, IoError.
  virtual std::vector<std::string> list(const std::string& folder) const = 0;
  /// As io::read_file.
  virtual io::Bytes read(const std::string& path, const io::Limits& limits) const = 0;
  /// Makes a folder and those above it where they are missing; it is on the disk when it returns. Throws IoError.
  virtual void make_folder(const std::string& folder) const = 0;

  /// Whether removing a large file may take as long as writing one (disks that are told of every free block).
  virtual bool removes_slowly() const { return false; }

  static const FileSystem& system();
};

}  // namespace gf::checkpoint
