// Pages from the operating system, and how much memory this process uses. Only the friendly layer and tools call these;
// the runtime proper lives in memory that its caller gave. Thread rule: callable from anywhere; no heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/core/error.h"
#include "runtime/core/result.h"

namespace gf {

/// Bytes of one page of virtual memory (a power of two).
size_t page_size();

/// Memory of this process that is in RAM now / was at most, in bytes; 0 where the system does not tell.
uint64_t current_rss_bytes();
uint64_t peak_rss_bytes();

/// At least `bytes` zeroed bytes, aligned to a page. The span's size is `bytes` rounded up to whole pages; it is empty
/// for 0 bytes. Give it back with release_pages. Errors: OutOfMemory (also for sizes that overflow).
Result<std::span<std::byte>> allocate_pages(uint64_t bytes, ErrorDetail* detail = nullptr);
/// Takes exactly what allocate_pages returned.
void release_pages(std::span<std::byte> pages);

}  // namespace gf
