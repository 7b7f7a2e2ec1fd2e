#include "runtime/platform/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/core/checked.h"

namespace gf {
namespace {

#if defined(MADV_HUGEPAGE)
constexpr size_t kHugeFrom = size_t{16} << 20;  // what huge pages round up to is little beside that
#endif

/// The number in kB behind `key` ("VmHWM:") in /proc/self/status, in bytes; 0 when it is not there.
uint64_t status_bytes(const char* key) {
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[4096];
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  const char* at = std::strstr(text, key);
  if (at == nullptr) return 0;
  at += std::strlen(key);
  while (*at == ' ' || *at == '\t') ++at;
  uint64_t kilobytes = 0;
  for (; *at >= '0' && *at <= '9'; ++at) kilobytes = kilobytes * 10 + static_cast<uint64_t>(*at - '0');
  return kilobytes * 1024;
}

}  // namespace

size_t page_size() {
  const long size = sysconf(_SC_PAGESIZE);
  return size > 0 ? static_cast<size_t>(size) : size_t{4096};
}

uint64_t current_rss_bytes() { return status_bytes("VmRSS:"); }

uint64_t peak_rss_bytes() {
  // VmHWM belongs to this program alone; ru_maxrss may still hold the peak of the process that started it.
  if (const uint64_t bytes = status_bytes("VmHWM:"); bytes != 0) return bytes;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#if defined(__APPLE__)
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

Result<std::span<std::byte>> allocate_pages(uint64_t bytes, ErrorDetail* detail) {
  if (bytes == 0) return std::span<std::byte>();
  uint64_t rounded = 0;
  size_t size = 0;
  if (!align_checked(bytes, page_size(), rounded) || !narrow_checked(rounded, size))
    return GF_FAIL(detail, Error::OutOfMemory, -1, "%llu bytes do not fit this machine's address space",
                   static_cast<unsigned long long>(bytes));
  void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    return GF_FAIL(detail, Error::OutOfMemory, -1, "the system refused %llu bytes (errno %d)",
                   static_cast<unsigned long long>(rounded), errno);
#if defined(MADV_HUGEPAGE)
  // A first touch costs the same for 2 MB as for 4 kB but for the zeros; a refusal changes nothing.
  if (size >= kHugeFrom) (void)madvise(pages, size, MADV_HUGEPAGE);
#endif
  return std::span<std::byte>(static_cast<std::byte*>(pages), size);
}

void release_pages(std::span<std::byte> pages) {
  if (!pages.empty()) munmap(pages.data(), pages.size());
}

}  // namespace gf
