// Run-time ISA detection. The answer is kept in one atomic byte; racing first calls write the same value.
#include "ops/cpu/simd/isa_dispatch.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace gf::simd {
namespace {

#if defined(__x86_64__)

bool has_avx2() {
  // Highway's AVX2 target emits all of these; every Haswell and Zen has them, but a hypervisor may mask some.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul"))
    return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

// The set that Highway's AVX3_DL target may emit.
bool has_avx512_vnni() {
  if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512vbmi") ||
      !__builtin_cpu_supports("avx512vbmi2") || !__builtin_cpu_supports("avx512bitalg") ||
      !__builtin_cpu_supports("avx512vpopcntdq"))
    return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kVaesAndVpclmulqdq = (1U << 9) | (1U << 10);
  return (c & kVaesAndVpclmulqdq) == kVaesAndVpclmulqdq;
}

bool has_avx512_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 5;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kBf16) != 0;
}

bool got_amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBf16TileInt8 = (1U << 22) | (1U << 24) | (1U << 25);
  if ((d & kBf16TileInt8) != kBf16TileInt8) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Isa detect() {
  __builtin_cpu_init();
  if (!has_avx2()) return Isa::Portable;
  if (!has_avx512()) return Isa::Avx2;
  if (!has_avx512_vnni()) return Isa::Avx512;
  if (!has_avx512_bf16()) return Isa::Avx512Vnni;
  return got_amx() ? Isa::Amx : Isa::Avx512Bf16;
}

#elif defined(__aarch64__)
Isa detect() { return Isa::Neon; }
#elif defined(__wasm_simd128__)
Isa detect() { return Isa::Wasm128; }
#else
Isa detect() { return Isa::Portable; }
#endif

constexpr int kUnknown = -1;
std::atomic<int> g_best{kUnknown};

}  // namespace

Isa best_isa() {
  int best = g_best.load(std::memory_order_relaxed);
  if (best == kUnknown) {
    best = static_cast<int>(detect());
    g_best.store(best, std::memory_order_relaxed);
  }
  return static_cast<Isa>(best);
}

}  // namespace gf::simd
