// Whole-file reading, mapping and crash-safe replacing, on the calls of file_system.h.
#include "io/file.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "io/file_system.h"
#include "io/inflate.h"
#include "io/path.h"
#include "runtime/core/exception.h"

namespace gf::io {

using system::FileInfo;
using Kind = FileInfo::Kind;

namespace {

std::string reason() { return std::strerror(errno); }

// Closes on scope exit; only for reading, where close cannot lose data.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) system::close(fd);
  }
};

int open_regular(const std::string& path, uint64_t& size) {
  if (path.empty() || path.find('\0') != std::string::npos)
    throw Exception(Error::InvalidArgument, "'" + printable(path) + "': not a usable file name");
  Descriptor file{system::open_for_reading(path.c_str())};
  const bool opened = file.fd >= 0;
  if (!opened && (errno != EACCES || system::info_of(path.c_str()).kind != Kind::Folder)) {  // Windows opens no folder
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw Exception(missing ? Error::NotFound : Error::IoError,
                    printable(path) + ": cannot open: " + reason() + (missing ? "; check the path" : ""));
  }
  const FileInfo info = opened ? system::info_of(file.fd) : FileInfo{Kind::Folder};
  if (info.kind == Kind::Missing) throw Exception(Error::IoError, printable(path) + ": cannot stat: " + reason());
  if (info.kind != Kind::Regular)
    throw Exception(Error::IoError, printable(path) + ": is a " +
                                        (info.kind == Kind::Folder ? "folder" : "device or pipe") +
                                        ", not a regular file; give a file");
  size = info.bytes;
  return std::exchange(file.fd, -1);
}

}  // namespace

Bytes read_file(const std::string& path, const Limits& limits) {
  uint64_t size = 0;
  Descriptor file{open_regular(path, size)};
  if (size > limits.max_file_bytes)
    throw Exception(Error::LimitExceeded, printable(path) + ": " + std::to_string(size) +
                                              " bytes is above the limit of " + std::to_string(limits.max_file_bytes) +
                                              "; raise max_file_bytes");
  Bytes bytes(size);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = system::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Exception(Error::IoError, printable(path) + ": cannot read: " + reason());
    if (got == 0) throw Exception(Error::IoError, printable(path) + ": became shorter while it was read; try again");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

Bytes read_file_or_gzip(const std::string& path, const Limits& limits) {
  Bytes bytes = read_file(path, limits);
  return is_gzip(bytes) ? gunzip(bytes, printable(path), limits) : bytes;
}

MappedFile::MappedFile(const std::string& path) {
  uint64_t size = 0;
  const Descriptor file{open_regular(path, size)};
  if (size == 0) return;
  if (size > SIZE_MAX) throw Exception(Error::LimitExceeded, printable(path) + ": larger than the address space");
  void* address = system::map(file.fd, static_cast<size_t>(size));
  if (address == nullptr) throw Exception(Error::IoError, printable(path) + ": cannot map: " + reason());
  address_ = address;
  size_ = static_cast<size_t>(size);
}
MappedFile::~MappedFile() {
  if (address_ != nullptr) system::unmap(address_, size_);
}
MappedFile::MappedFile(MappedFile&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

bool system::flush_folder(const FileOps& ops, const std::string& folder) {
  if (!kFlushesFolders) return true;
  const int directory = ops.open(folder.empty() ? "." : folder.c_str(), kFolder, 0);
  if (directory < 0) return false;
  const bool flushed = ops.fsync(directory) == 0 || errno == EINVAL;  // EINVAL: not supported there
  const int why = errno;
  ops.close(directory);
  errno = why;
  return flushed;
}

AtomicFileWriter::AtomicFileWriter(const std::string& path, const FileOps& ops) : ops_(ops), path_(path) {
  namespace fs = std::filesystem;
  if (path.empty() || path.find('\0') != std::string::npos)
    throw Exception(Error::InvalidArgument, "'" + printable(path) + "': not a usable file name");
  std::error_code ignored;
  if (fs::is_symlink(path_of(path), ignored)) {
    const fs::path target = fs::weakly_canonical(path_of(path), ignored);
    if (!target.empty()) path_ = text_of(target);
  }
  const FileInfo old = system::info_of(path_.c_str());
  const bool exists = old.kind != Kind::Missing;
  if (old.kind == Kind::Folder) {
    errno = EISDIR;
    fail("open");
  }
  if (old.kind == Kind::Other) {  // a rename would replace the device itself
    fd_ = ops_.open(path_.c_str(), system::kWriteExisting, 0);
    if (fd_ < 0) fail("open");
    return;
  }
  static std::atomic<unsigned> counter{0};
  const fs::path folder = path_of(path_).parent_path();
  const std::string stem = "." + text_of(path_of(path_).filename()) + "." + std::to_string(system::process_id()) + ".";
  for (int attempt = 0; fd_ < 0 && attempt < 100; ++attempt) {
    temporary_ = text_of(folder / path_of(stem + std::to_string(counter.fetch_add(1)) + ".tmp"));
    fd_ = ops_.open(temporary_.c_str(), system::kWriteNew, exists ? old.mode & 0777 : 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) {
    temporary_.clear();  // not ours
    fail("create a temporary file beside");
  }
  // open() applied the umask: give back exactly the bits the old file had
  if (exists && ops_.fchmod(fd_, old.mode) != 0) fail("set the mode of");
}

AtomicFileWriter::~AtomicFileWriter() { close_quietly(); }

void AtomicFileWriter::close_quietly() {
  if (fd_ >= 0) ops_.close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ops_.unlink(std::exchange(temporary_, {}).c_str());
}

void AtomicFileWriter::fail(const char* what) {
  const std::string why = reason();
  close_quietly();
  throw Exception(Error::IoError, printable(path_) + ": cannot " + what + " the file: " + why +
                                      "; the previous file, if there was one, is unchanged");
}

void AtomicFileWriter::write(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ops_.write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = EIO;
    if (put <= 0) fail("write");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

void AtomicFileWriter::commit() {
  // After a failed fsync the kernel may have dropped the dirty pages: report it, never retry.
  const bool direct = temporary_.empty();
  if (!direct && ops_.fsync(fd_) != 0) fail("flush");
  if (ops_.close(std::exchange(fd_, -1)) != 0) fail("close");
  if (direct) return;
  if (ops_.rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename the temporary file to");
  temporary_.clear();
  if (!system::flush_folder(ops_, text_of(path_of(path_).parent_path())))
    throw Exception(Error::IoError, printable(path_) + ": written, but its folder could not be flushed (" + reason() +
                                        "); after a power loss the previous file may be back");
}

void write_file(const std::string& path, ByteSpan bytes) {
  AtomicFileWriter writer(path);
  writer.write(bytes);
  writer.commit();
}
void write_file(const std::string& path, std::string_view text) { write_file(path, std::as_bytes(std::span(text))); }

}  // namespace gf::io
