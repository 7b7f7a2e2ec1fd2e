// The real file system, by the C++ library and by io, which has the calls of POSIX and of Windows.
#include "trainer/checkpoint/file_system.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "io/file_system.h"
#include "io/path.h"
#include "runtime/core/exception.h"

namespace gf::checkpoint {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(Error code, const std::string& folder, const std::string& what, const std::string& why) {
  throw Exception(code, io::printable(folder) + ": cannot " + what + " the folder: " + why);
}

class RealFileSystem : public FileSystem {
 public:
  const io::FileOps& ops() const override { return io::FileOps::system(); }

  std::vector<std::string> list(const std::string& folder) const override {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(io::path_of(folder), error), end; !error && it != end; it.increment(error)) names.push_back(io::text_of(it->path().filename()));
    if (error == std::errc::no_such_file_or_directory) fail(Error::NotFound, folder, "find", "it does not exist; check the path");
    if (error) fail(Error::IoError, folder, "list", error.message());
    return names;
  }

  bool removes_slowly() const override { return true; }

  io::Bytes read(const std::string& path, const io::Limits& limits) const override { return io::read_file(path, limits); }

  void make_folder(const std::string& folder) const override {
    std::error_code error;
    const fs::path whole = fs::absolute(io::path_of(folder), error);
    std::vector<fs::path> parents = {whole.parent_path()};  // of this one in any case: who made it may not have flushed it
    for (fs::path p = whole.parent_path(); !error && !fs::exists(p, error) && p != p.parent_path(); p = p.parent_path()) parents.push_back(p.parent_path());
    if (!error) fs::create_directories(whole, error);
    if (error) fail(Error::IoError, folder, "make", error.message());
    for (const fs::path& p : parents)
      if (!io::system::flush_folder(ops(), io::text_of(p)) && errno != EACCES) fail(Error::IoError, folder, "flush", std::strerror(errno));
  }
};

}  // namespace

const FileSystem& FileSystem::system() {
  static const RealFileSystem instance;
  return instance;
}

}  // namespace gf::checkpoint
