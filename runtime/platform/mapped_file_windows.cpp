#include "runtime/platform/mapped_file.h"

#include <windows.h>

#include "runtime/core/checked.h"

namespace gf {
namespace {

constexpr int kMaxPath = 4096;  // in UTF-16 units, on the stack
constexpr DWORD kLargestRead = DWORD{1} << 30;

/// What the system says about `code`, in UTF-8 and without the full stop at its end.
void system_text(DWORD code, char* text, int capacity) {
  wchar_t wide[100];
  DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
                                nullptr, code, 0, wide, sizeof wide / sizeof wide[0], nullptr);
  while (length > 0 && (wide[length - 1] == L' ' || wide[length - 1] == L'.')) --length;
  const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, static_cast<int>(length), text, capacity - 1, nullptr, nullptr);
  text[bytes] = '\0';
}

Error fail_windows(ErrorDetail* detail, const char* what, const char* path, DWORD code) {
  char text[120];
  system_text(code, text, sizeof text);
  Error error = Error::IoError;
  if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND || code == ERROR_INVALID_NAME || code == ERROR_BAD_NETPATH)
    error = Error::NotFound;
  if (code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_OUTOFMEMORY || code == ERROR_COMMITMENT_LIMIT) error = Error::OutOfMemory;
  return GF_FAIL(detail, error, -1, "cannot %s '%s': %s (error %u)", what, path, text[0] != '\0' ? text : "unknown error",
                 static_cast<unsigned>(code));
}

class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE value) : value_(value) {}
  ~Handle() { reset(INVALID_HANDLE_VALUE); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  void reset(HANDLE value) {
    if (value_ != INVALID_HANDLE_VALUE && value_ != nullptr) CloseHandle(value_);
    value_ = value;
  }
  HANDLE get() const { return value_; }

 private:
  HANDLE value_ = INVALID_HANDLE_VALUE;
};

/// Opens a file by its UTF-8 name. Nothing but files of a disk: a pipe or a console would block or have no size.
Error open_regular(const char* path, Handle& file, uint64_t& bytes, ErrorDetail* detail) {
  if (path == nullptr || *path == '\0')
    return GF_FAIL(detail, Error::InvalidArgument, -1, "empty file name; give the path of a file");
  wchar_t wide[kMaxPath];
  if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, kMaxPath) == 0)
    return GF_FAIL(detail, Error::InvalidArgument, -1, "the file name is not UTF-8 or longer than %d characters", kMaxPath - 1);
  const DWORD attributes = GetFileAttributesW(wide);
  if (attributes == INVALID_FILE_ATTRIBUTES) return fail_windows(detail, "open", path, GetLastError());
  const bool other = (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) != 0;
  // Others may rename, replace or delete the name meanwhile, as everywhere else; writing into it is refused.
  if (!other) file.reset(CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!other && file.get() == INVALID_HANDLE_VALUE) return fail_windows(detail, "open", path, GetLastError());
  if (other || GetFileType(file.get()) != FILE_TYPE_DISK)
    return GF_FAIL(detail, Error::IoError, -1, "'%s' is not a regular file; give the path of a file", path);
  LARGE_INTEGER size;
  if (GetFileSizeEx(file.get(), &size) == 0) return fail_windows(detail, "read the size of", path, GetLastError());
  bytes = static_cast<uint64_t>(size.QuadPart);
  return Error::Ok;
}

}  // namespace

Result<MappedFile> MappedFile::open(const char* path, ErrorDetail* detail) {
  Handle file;
  uint64_t bytes = 0;
  GF_TRY(open_regular(path, file, bytes, detail));
  if (bytes == 0) return MappedFile();
  size_t size = 0;
  if (!narrow_checked(bytes, size) || size > SIZE_MAX / 2)
    return GF_FAIL(detail, Error::LimitExceeded, -1, "'%s' has %llu bytes, more than this machine can address", path,
                   static_cast<unsigned long long>(bytes));
  const Handle mapping(CreateFileMappingW(file.get(), nullptr, PAGE_READONLY, 0, 0, nullptr));
  if (mapping.get() == nullptr) return fail_windows(detail, "map", path, GetLastError());
  const void* data = MapViewOfFile(mapping.get(), FILE_MAP_READ, 0, 0, size);  // keeps file and mapping open by itself
  if (data == nullptr) return fail_windows(detail, "map", path, GetLastError());
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    if (size_ != 0) UnmapViewOfFile(data_);
    data_ = other.data_;
    size_ = other.size_;
    other.forget();
  }
  return *this;
}

MappedFile::~MappedFile() {
  if (size_ != 0) UnmapViewOfFile(data_);
}

void MappedFile::evict(std::span<const std::byte> part) const {
  if (part.data() < data_ || part.size() > size_ || part.data() + part.size() > data_ + size_) return;
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  const uintptr_t page = info.dwPageSize;
  const uintptr_t first = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  // unlocking pages that are not locked takes them out of the working set (documented so); it reports failure then
  if (first < end) VirtualUnlock(reinterpret_cast<void*>(first), end - first);
}

Result<uint64_t> file_size_bytes(const char* path, ErrorDetail* detail) {
  Handle file;
  uint64_t bytes = 0;
  GF_TRY(open_regular(path, file, bytes, detail));
  return bytes;
}

Result<std::span<std::byte>> read_file_into(const char* path, std::span<std::byte> memory, ErrorDetail* detail) {
  Handle file;
  uint64_t bytes = 0;
  GF_TRY(open_regular(path, file, bytes, detail));
  if (bytes > memory.size())
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "'%s' has %llu bytes, the buffer %zu", path,
                   static_cast<unsigned long long>(bytes), memory.size());
  const auto size = static_cast<size_t>(bytes);
  size_t done = 0;
  while (done < size) {
    const DWORD wanted = size - done < kLargestRead ? static_cast<DWORD>(size - done) : kLargestRead;
    DWORD got = 0;
    if (ReadFile(file.get(), memory.data() + done, wanted, &got, nullptr) == 0) return fail_windows(detail, "read", path, GetLastError());
    if (got == 0) return GF_FAIL(detail, Error::IoError, -1, "'%s' became shorter while it was read; try again", path);
    done += got;
  }
  return memory.first(size);
}

}  // namespace gf
