// memcpy, memmove and memset with SIMD128, in the place of libc's: a module linked for size gets loops over bytes from there.
// Compiled with -fno-builtin, so that the loops do not become calls of themselves. memory.copy and memory.fill would leave the module
// for each call, and most calls move less than a kilobyte.
#include <wasm_simd128.h>

#include <cstddef>
#include <cstdint>

namespace {

using Bytes = unsigned char;

inline uint64_t load8(const Bytes* p) { return *reinterpret_cast<const uint64_t __attribute__((aligned(1), may_alias))*>(p); }
inline uint32_t load4(const Bytes* p) { return *reinterpret_cast<const uint32_t __attribute__((aligned(1), may_alias))*>(p); }
inline void store8(Bytes* p, uint64_t v) { *reinterpret_cast<uint64_t __attribute__((aligned(1), may_alias))*>(p) = v; }
inline void store4(Bytes* p, uint32_t v) { *reinterpret_cast<uint32_t __attribute__((aligned(1), may_alias))*>(p) = v; }

/// Fewer than 16 bytes: everything is read before anything is written.
inline void move_few(Bytes* to, const Bytes* from, size_t n) {
  if (n >= 8) {
    const uint64_t a = load8(from), b = load8(from + n - 8);
    store8(to, a);
    store8(to + n - 8, b);
  } else if (n >= 4) {
    const uint32_t a = load4(from), b = load4(from + n - 4);
    store4(to, a);
    store4(to + n - 4, b);
  } else if (n > 0) {
    const Bytes a = from[0], b = from[n / 2], c = from[n - 1];
    to[0] = a;
    to[n / 2] = b;
    to[n - 1] = c;
  }
}

/// At least 16 bytes, upwards: right where `to` lies below `from` or apart from it. The last 16 are read first.
inline void move_up(Bytes* to, const Bytes* from, size_t n) {
  Bytes* const end = to + n - 16;
  const v128_t last = wasm_v128_load(from + n - 16);
  for (; n > 64; n -= 64, to += 64, from += 64) {
    const v128_t a = wasm_v128_load(from), b = wasm_v128_load(from + 16), c = wasm_v128_load(from + 32), d = wasm_v128_load(from + 48);
    wasm_v128_store(to, a);
    wasm_v128_store(to + 16, b);
    wasm_v128_store(to + 32, c);
    wasm_v128_store(to + 48, d);
  }
  for (; n > 16; n -= 16, to += 16, from += 16) wasm_v128_store(to, wasm_v128_load(from));
  wasm_v128_store(end, last);
}

inline void move_down(Bytes* to, const Bytes* from, size_t n) {
  const v128_t first = wasm_v128_load(from);
  for (; n > 16; n -= 16) wasm_v128_store(to + n - 16, wasm_v128_load(from + n - 16));
  wasm_v128_store(to, first);
}

}  // namespace

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t n) {
  if (n < 16) move_few(static_cast<Bytes*>(to), static_cast<const Bytes*>(from), n);
  else move_up(static_cast<Bytes*>(to), static_cast<const Bytes*>(from), n);
  return to;
}

void* memmove(void* to, const void* from, size_t n) {
  auto* t = static_cast<Bytes*>(to);
  const auto* f = static_cast<const Bytes*>(from);
  if (n < 16) move_few(t, f, n);
  else if (t <= f || t >= f + n) move_up(t, f, n);
  else move_down(t, f, n);
  return to;
}

void* memset(void* to, int value, size_t n) {
  auto* t = static_cast<Bytes*>(to);
  const v128_t v = wasm_i8x16_splat(static_cast<int8_t>(value));
  if (n < 16) {
    for (size_t i = 0; i < n; ++i) t[i] = static_cast<Bytes>(value);
    return to;
  }
  Bytes* const end = t + n - 16;
  for (; n > 64; n -= 64, t += 64) {
    wasm_v128_store(t, v);
    wasm_v128_store(t + 16, v);
    wasm_v128_store(t + 32, v);
    wasm_v128_store(t + 48, v);
  }
  for (; n > 16; n -= 16, t += 16) wasm_v128_store(t, v);
  wasm_v128_store(end, v);
  return to;
}

}  // extern "C"
