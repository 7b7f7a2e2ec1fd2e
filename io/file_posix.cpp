#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "io/file_system.h"

namespace gf::io {
namespace system {
namespace {

FileInfo info_from(int status, const struct stat& info) {
  if (status != 0) return {};
  const auto kind = S_ISREG(info.st_mode)   ? FileInfo::Kind::Regular
                    : S_ISDIR(info.st_mode) ? FileInfo::Kind::Folder
                                            : FileInfo::Kind::Other;
  return {kind, static_cast<uint64_t>(info.st_size), info.st_mode & 07777};
}

}  // namespace

const int kWriteExisting = O_WRONLY | O_CLOEXEC;
const int kWriteNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
const int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
const bool kFlushesFolders = true;

// O_NONBLOCK: opening a pipe must not wait for a writer before it is refused.
int open_for_reading(const char* path) { return ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); }
FileInfo info_of(int file) {
  struct stat info {};
  const int status = ::fstat(file, &info);
  return info_from(status, info);
}
FileInfo info_of(const char* path) {
  struct stat info {};
  const int status = ::stat(path, &info);
  return info_from(status, info);
}
ssize_t read(int file, void* data, size_t size) { return ::read(file, data, size); }
void close(int file) { ::close(file); }
void* map(int file, size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  return address == MAP_FAILED ? nullptr : address;
}
void unmap(void* address, size_t size) { ::munmap(address, size); }
unsigned long process_id() { return static_cast<unsigned long>(::getpid()); }

}  // namespace system

const FileOps& FileOps::system() {
  static constexpr FileOps kOps = {
      [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
      [](int fd, const void* data, size_t size) { return ::write(fd, data, size); },
      [](int fd) {
#if defined(__APPLE__)
        return ::fcntl(fd, F_FULLFSYNC);  // plain fsync stops at the drive's cache there
#else
        return ::fsync(fd);
#endif
      },
      [](int fd, mode_t mode) { return ::fchmod(fd, mode); },
      [](int fd) { return ::close(fd); },
      [](const char* from, const char* to) { return ::rename(from, to); },
      [](const char* path) { return ::unlink(path); },
  };
  return kOps;
}

}  // namespace gf::io
