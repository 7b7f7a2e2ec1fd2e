// Run-time ISA detection and the one-table-per-target scheme that every vector source of this folder uses.
// Include it BEFORE any Highway header: it also says for which targets the sources are compiled.
// Thread rule: best_isa() may be called from any thread; nothing else has state.
//
// A source looks like this (foo.cpp; Highway stays header-only, its own run-time detection is never used):
//   #include "ops/cpu/simd/isa_dispatch.h"        -> then: #undef/#define HWY_TARGET_INCLUDE "ops/cpu/simd/foo.cpp",
//   #include <hwy/foreach_target.h> and <hwy/highway.h>; see GF_SIMD_SELECT below for the rest.
#pragma once

#include "runtime/kernel/isa.h"

// Compiled targets: x86-64: scalar, AVX2, AVX-512; aarch64: NEON; wasm: SIMD128. Each more costs compile time on all
// sources, so a source that gains from the Ice Lake set (VNNI, VBMI2) asks for it with GF_SIMD_WANT_AVX3_DL.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
// One baseline under every compiler: Highway's emulated vectors, which clang would get, have another maximum of NaN.
#ifndef HWY_BROKEN_EMU128
#define HWY_BROKEN_EMU128 1
#endif
#if defined(GF_SIMD_WANT_AVX3_DL) && !defined(HWY_WANT_AVX3_DL)
#define HWY_WANT_AVX3_DL
#endif
#if !defined(__x86_64__) && !defined(HWY_COMPILE_ONLY_STATIC)
#define HWY_COMPILE_ONLY_STATIC
#endif

/// In front of a loop of at most n rounds that must be unrolled, so that an array of vectors stays in registers.
#define GF_UNROLL(n) _Pragma(GF_UNROLL_TEXT(GCC unroll n))
#define GF_UNROLL_TEXT(x) #x

namespace gf::simd {

/// The best level that this processor and operating system allow. Asked once, then a plain load. `Amx` only when the
/// kernel grants tile data to this process (asked for on the first call); `Avx512Bf16` otherwise.
Isa best_isa();

}  // namespace gf::simd

/// Inside `#if HWY_ONCE` and namespace gf::simd, with `name` a constexpr table of function pointers that each target
/// defines in gf::simd::HWY_NAMESPACE (constexpr: an initialiser that runs would run without the target's attributes):
///   const FooTable& foo_table(Isa isa) { return GF_SIMD_SELECT(isa, kFooTable); }
/// gives the object of the best compiled target that isa_allows(isa, target). Isa::Portable is the compiler's baseline:
/// the scalar target on x86-64, NEON on aarch64 and SIMD128 on wasm, where the baseline already has vectors.
#define GF_SIMD_SELECT(isa, name)                                                                 \
  (static_cast<void>(isa), GF_SIMD_CASE_AVX3_DL(isa, name) GF_SIMD_CASE_AVX3(isa, name)           \
                               GF_SIMD_CASE_AVX2(isa, name) GF_SIMD_BASELINE::name)

/// Namespace of the baseline target (compiled last, so HWY_NAMESPACE names it inside HWY_ONCE).
#define GF_SIMD_BASELINE HWY_NAMESPACE

#ifdef __x86_64__
#define GF_SIMD_CASE_AVX3(isa, name) ::gf::isa_allows((isa), ::gf::Isa::Avx512) ? N_AVX3::name:
#define GF_SIMD_CASE_AVX2(isa, name) ::gf::isa_allows((isa), ::gf::Isa::Avx2) ? N_AVX2::name:
#else
#define GF_SIMD_CASE_AVX3(isa, name)
#define GF_SIMD_CASE_AVX2(isa, name)
#endif
#if defined(__x86_64__) && defined(HWY_WANT_AVX3_DL)
#define GF_SIMD_CASE_AVX3_DL(isa, name) ::gf::isa_allows((isa), ::gf::Isa::Avx512Vnni) ? N_AVX3_DL::name:
#else
#define GF_SIMD_CASE_AVX3_DL(isa, name)
#endif
