// The system below Emscripten's C library: there are no files, no environment and no clock in this module, only memory that grows.
// What these functions answer is what a program sees on a system without files (ENOSYS), so reading one fails as it should.
#include <cstddef>
#include <cstdint>

namespace {
constexpr int kNoSuchFunction = -38;  // -ENOSYS, of Linux system calls
constexpr uint16_t kWasiNoSys = 52;   // __WASI_ERRNO_NOSYS
constexpr size_t kPage = 65536;
}  // namespace

extern "C" {

[[noreturn]] void abort() { __builtin_trap(); }

/// sbrk asks for a memory of at least `bytes`; 0: there is none to be had, and malloc returns nullptr.
int emscripten_resize_heap(size_t bytes) {
  const size_t now = __builtin_wasm_memory_size(0), wanted = (bytes + kPage - 1) / kPage;
  return wanted <= now || __builtin_wasm_memory_grow(0, wanted - now) != static_cast<size_t>(-1) ? 1 : 0;
}
void* emscripten_memcpy_big(void* to, const void* from, size_t bytes) {
  // not __builtin_memcpy, which would call memcpy, which calls this
  auto* d = static_cast<char*>(to);
  const auto* s = static_cast<const char*>(from);
  asm volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.copy 0, 0" : : "r"(d), "r"(s), "r"(bytes) : "memory");
  return to;
}

int __syscall_fstat64(int, int) { return kNoSuchFunction; }
int __syscall_stat64(int, int) { return kNoSuchFunction; }
int __syscall_lstat64(int, int) { return kNoSuchFunction; }
int __syscall_fstatat64(int, int, int, int) { return kNoSuchFunction; }
int __syscall_open(int, int, int) { return kNoSuchFunction; }
int __syscall_openat(int, int, int, int) { return kNoSuchFunction; }
int _mmap_js(size_t, int, int, int, size_t, int*) { return kNoSuchFunction; }
int _munmap_js(size_t, size_t, int, int, int, size_t) { return kNoSuchFunction; }

uint16_t __wasi_fd_close(int) { return kWasiNoSys; }
uint16_t __wasi_fd_pread(int, const void*, size_t, uint64_t, size_t*) { return kWasiNoSys; }
uint16_t __wasi_environ_sizes_get(size_t* count, size_t* bytes) {
  *count = *bytes = 0;
  return 0;
}
uint16_t __wasi_environ_get(void*, void*) { return 0; }

/// The standard library's locale asks for it; nothing here writes a date.
size_t strftime_l(char* text, size_t size, const char*, const void*, const void*) {
  if (size != 0) text[0] = '\0';
  return 0;
}

}  // extern "C"
