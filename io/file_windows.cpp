// Names become UTF-16 for the system; descriptors are the C library's, opened binary.
#include <windows.h>

#include <fcntl.h>
#include <io.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "io/file_system.h"

namespace gf::io {
namespace {

constexpr size_t kLargestTransfer = size_t{1} << 30;  // the C library counts in int

std::vector<wchar_t> wide(const char* utf8) {
  const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, nullptr, 0);
  std::vector<wchar_t> text(static_cast<size_t>(length > 0 ? length : 1));  // not UTF-8: "", which no file has
  if (length > 0) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, text.data(), length);
  return text;
}

int fail_with(DWORD code) {
  switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      errno = ENOENT;
      break;
    case ERROR_DISK_FULL:
      errno = ENOSPC;
      break;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_COMMITMENT_LIMIT:
      errno = ENOMEM;
      break;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
      errno = EACCES;
      break;
    default:
      errno = EIO;
  }
  return -1;
}

}  // namespace

namespace system {
namespace {

FileInfo info_from(int status, const struct __stat64& info) {
  if (status != 0) return {};
  const auto kind = (info.st_mode & _S_IFMT) == _S_IFREG   ? FileInfo::Kind::Regular
                    : (info.st_mode & _S_IFMT) == _S_IFDIR ? FileInfo::Kind::Folder
                                                           : FileInfo::Kind::Other;
  return {kind, static_cast<uint64_t>(info.st_size), 0};
}

}  // namespace

const int kWriteExisting = _O_WRONLY | _O_BINARY | _O_NOINHERIT;
const int kWriteNew = _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT;
const int kFolder = 0;
const bool kFlushesFolders = false;  // FileOps::rename writes through

int open_for_reading(const char* path) { return _wopen(wide(path).data(), _O_RDONLY | _O_BINARY | _O_NOINHERIT); }
FileInfo info_of(int file) {
  struct __stat64 info {};
  const int status = _fstat64(file, &info);
  return info_from(status, info);
}
FileInfo info_of(const char* path) {
  struct __stat64 info {};
  const int status = _wstat64(wide(path).data(), &info);
  return info_from(status, info);
}
ssize_t read(int file, void* data, size_t size) {
  return _read(file, data, static_cast<unsigned>(size < kLargestTransfer ? size : kLargestTransfer));
}
void close(int file) { _close(file); }
void* map(int file, size_t size) {
  const HANDLE mapping = CreateFileMappingW(reinterpret_cast<HANDLE>(_get_osfhandle(file)), nullptr, PAGE_READONLY, 0, 0, nullptr);
  void* address = mapping != nullptr ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size) : nullptr;
  if (address == nullptr) fail_with(GetLastError());
  if (mapping != nullptr) CloseHandle(mapping);  // the view keeps it
  return address;
}
void unmap(void* address, size_t) { UnmapViewOfFile(address); }
unsigned long process_id() { return GetCurrentProcessId(); }

}  // namespace system

const FileOps& FileOps::system() {
  static constexpr FileOps kOps = {
      [](const char* path, int flags, mode_t) { return _wopen(wide(path).data(), flags, _S_IREAD | _S_IWRITE); },
      [](int fd, const void* data, size_t size) -> ssize_t {
        return _write(fd, data, static_cast<unsigned>(size < kLargestTransfer ? size : kLargestTransfer));
      },
      [](int fd) { return _commit(fd); },
      [](int, mode_t) { return 0; },  // a new file takes the access rules of its folder
      [](int fd) { return _close(fd); },
      [](const char* from, const char* to) {
        const DWORD how = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
        return MoveFileExW(wide(from).data(), wide(to).data(), how) != 0 ? 0 : fail_with(GetLastError());
      },
      [](const char* path) { return _wunlink(wide(path).data()); },
  };
  return kOps;
}

}  // namespace gf::io
