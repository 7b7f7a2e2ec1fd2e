// Whole files: read into memory, map, and replace so that a crash loses nothing. Names are UTF-8.
// Thread rule: functions are reentrant; an object belongs to one thread at a time (a MappedFile may be read by many).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/array.h"

namespace gf::io {

using Bytes = std::vector<std::byte>;
using ByteSpan = std::span<const std::byte>;

/// Reads a whole regular file. Throws NotFound (no such file), LimitExceeded (above limits.max_file_bytes), IoError
/// (folder, device, pipe, unreadable, changed while reading).
Bytes read_file(const std::string& path, const Limits& limits = {});

/// read_file, then, if the bytes are gzip (by magic, whatever the name says), their content within `limits`.
Bytes read_file_or_gzip(const std::string& path, const Limits& limits = {});

/// A read-only private mapping of a regular file. If another process shortens the file meanwhile, touching the lost
/// pages ends the process (SIGBUS): use read_file for files that others may write.
class MappedFile {
 public:
  /// Throws NotFound or IoError. An empty file gives an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  ByteSpan bytes() const { return {static_cast<const std::byte*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  size_t size_ = 0;
};

/// The operating-system calls that saving makes, so that tests can let each of them fail. Each returns what POSIX says.
struct FileOps {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int fd, const void* data, size_t size);
  int (*fsync)(int fd);
  int (*fchmod)(int fd, mode_t mode);
  int (*close)(int fd);
  int (*rename)(const char* from, const char* to);
  int (*unlink)(const char* path);
  static const FileOps& system();
};

/// Writes a new version of a file beside the old one and swaps it in: after commit() the new content is on the disk,
/// before that (exception, crash, power loss) the old file is untouched. Keeps the old file's mode; a symbolic link
/// stays a link. Devices and pipes (/dev/null, /dev/stdout) are written directly. All failures throw IoError.
class AtomicFileWriter {
 public:
  /// Opens a temporary file in the folder of `path`. `ops` must outlive the writer.
  explicit AtomicFileWriter(const std::string& path, const FileOps& ops = FileOps::system());
  /// Without commit(): removes the temporary file.
  ~AtomicFileWriter();
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

  void write(ByteSpan bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span<const char>(text.data(), text.size()))); }
  /// fsync, close, rename, fsync of the folder. Call once, last.
  void commit();

 private:
  [[noreturn]] void fail(const char* what);
  void close_quietly();

  const FileOps& ops_;
  std::string path_;       // final name, symbolic links resolved
  std::string temporary_;  // empty: writing directly, or nothing left to remove
  int fd_ = -1;
};

/// One-call form of AtomicFileWriter.
void write_file(const std::string& path, ByteSpan bytes);
void write_file(const std::string& path, std::string_view text);

}  // namespace gf::io
