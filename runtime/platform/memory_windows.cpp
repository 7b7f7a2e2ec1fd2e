#include "runtime/platform/memory.h"

#include <windows.h>

#include <psapi.h>

#include "runtime/core/checked.h"

namespace gf {
namespace {

PROCESS_MEMORY_COUNTERS memory_counters() {
  PROCESS_MEMORY_COUNTERS counters{};
  counters.cb = sizeof counters;
  if (K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) == 0) return {};
  return counters;
}

}  // namespace

size_t page_size() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

uint64_t current_rss_bytes() { return memory_counters().WorkingSetSize; }
uint64_t peak_rss_bytes() { return memory_counters().PeakWorkingSetSize; }

Result<std::span<std::byte>> allocate_pages(uint64_t bytes, ErrorDetail* detail) {
  if (bytes == 0) return std::span<std::byte>();
  uint64_t rounded = 0;
  size_t size = 0;
  if (!align_checked(bytes, page_size(), rounded) || !narrow_checked(rounded, size))
    return GF_FAIL(detail, Error::OutOfMemory, -1, "%llu bytes do not fit this machine's address space",
                   static_cast<unsigned long long>(bytes));
  void* pages = VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (pages == nullptr)
    return GF_FAIL(detail, Error::OutOfMemory, -1, "the system refused %llu bytes (error %u)",
                   static_cast<unsigned long long>(rounded), static_cast<unsigned>(GetLastError()));
  return std::span<std::byte>(static_cast<std::byte*>(pages), size);
}

void release_pages(std::span<std::byte> pages) {
  if (!pages.empty()) VirtualFree(pages.data(), 0, MEM_RELEASE);
}

}  // namespace gf
