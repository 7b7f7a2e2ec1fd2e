#include "tools/common/heap_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GF_HEAP_COUNTER 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define GF_HEAP_COUNTER 0
#endif
#endif
#if !defined(GF_HEAP_COUNTER)
#if defined(__GLIBC__)
#define GF_HEAP_COUNTER 1
#else
#define GF_HEAP_COUNTER 0
#endif
#endif

namespace gf::heap {
namespace {

// Constant-initialised: malloc is called before any constructor runs.
constinit std::atomic<bool> counting{false};
constinit std::atomic<uint64_t> allocations{0};
constinit std::atomic<uint64_t> frees{0};
constinit std::atomic<uint64_t> bytes{0};
constinit std::atomic<uint64_t> maps{0};

}  // namespace

bool counter_works() { return GF_HEAP_COUNTER != 0; }

[[gnu::noinline]] void counter_hit() { asm volatile(""); }

void start_counting() {
  allocations = 0;
  frees = 0;
  bytes = 0;
  maps = 0;
  counting = true;
}

Counts stop_counting() {
  counting = false;
  return {allocations, frees, bytes, maps};
}

namespace {

[[maybe_unused]] void count_allocation(size_t size) {
  if (!counting.load(std::memory_order_relaxed)) return;
  allocations.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(size, std::memory_order_relaxed);
  counter_hit();
}
[[maybe_unused]] void count_free() {
  if (!counting.load(std::memory_order_relaxed)) return;
  frees.fetch_add(1, std::memory_order_relaxed);
  counter_hit();
}
[[maybe_unused]] void count_map() {
  if (!counting.load(std::memory_order_relaxed)) return;
  maps.fetch_add(1, std::memory_order_relaxed);
  counter_hit();
}

}  // namespace
}  // namespace gf::heap

#if GF_HEAP_COUNTER
// Symbols of the executable win over libc's for every shared library, so these see all calls.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cstdarg>

extern "C" {
// The C library's own entry points, which exist for this purpose.
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

void* malloc(size_t size) {
  gf::heap::count_allocation(size);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  gf::heap::count_allocation(count * size);
  return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) {
  gf::heap::count_allocation(size);
  return __libc_realloc(block, size);
}
void free(void* block) {
  if (block != nullptr) gf::heap::count_free();
  __libc_free(block);
}
void* memalign(size_t alignment, size_t size) {
  gf::heap::count_allocation(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  gf::heap::count_allocation(size);
  return __libc_memalign(alignment, size);
}
void* valloc(size_t size) {
  gf::heap::count_allocation(size);
  return __libc_memalign(static_cast<size_t>(sysconf(_SC_PAGESIZE)), size);
}
void* pvalloc(size_t size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  gf::heap::count_allocation(size);
  return __libc_memalign(page, (size + page - 1) / page * page);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  if (alignment == 0 || alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  gf::heap::count_allocation(size);
  void* block = __libc_memalign(alignment, size);
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) noexcept {
  gf::heap::count_map();
#if defined(SYS_mmap2)
  return reinterpret_cast<void*>(
      syscall(SYS_mmap2, address, length, protection, flags, file, static_cast<unsigned long>(offset) >> 12));
#else
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
#endif
}
void* mmap64(void* address, size_t length, int protection, int flags, int file, off64_t offset) noexcept {
  gf::heap::count_map();
#if defined(SYS_mmap2)
  return reinterpret_cast<void*>(
      syscall(SYS_mmap2, address, length, protection, flags, file, static_cast<unsigned long>(offset >> 12)));
#else
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, file, offset));
#endif
}
int munmap(void* address, size_t length) noexcept {
  gf::heap::count_map();
  return static_cast<int>(syscall(SYS_munmap, address, length));
}
void* mremap(void* address, size_t old_length, size_t new_length, int flags, ...) noexcept {
  gf::heap::count_map();
  va_list arguments;
  va_start(arguments, flags);
  void* target = (flags & MREMAP_FIXED) != 0 ? va_arg(arguments, void*) : nullptr;
  va_end(arguments);
  return reinterpret_cast<void*>(syscall(SYS_mremap, address, old_length, new_length, flags, target));
}
int brk(void* end) noexcept {
  gf::heap::count_map();
  static const auto next = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_NEXT, "brk"));
  return next(end);
}
void* sbrk(intptr_t increment) noexcept {
  gf::heap::count_map();
  static const auto next = reinterpret_cast<void* (*)(intptr_t)>(dlsym(RTLD_NEXT, "sbrk"));
  return next(increment);
}
}  // extern "C"
#endif
