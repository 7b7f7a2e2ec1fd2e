// Instruction-set levels that kernel tables are ranked by. Passed by value to create; nothing is detected here.
#pragma once

#include <cstdint>

namespace gf {

/// What the vector kernels may use. Portable is plain C++ on any architecture; isa_allows() orders the levels of x86.
/// Values appear in tuning records: never renumber.
enum class Isa : uint8_t {
  Portable = 0,
  Avx2 = 10,      ///< AVX2 + FMA + F16C (Haswell on)
  Avx512 = 11,    ///< AVX-512 F/BW/CD/DQ/VL (Skylake-X on)
  Avx512Vnni = 12,///< Avx512 + VNNI/VBMI2/BF16-less "AVX3_DL" set (Ice Lake on)
  Amx = 13,       ///< Avx512Bf16 + AMX tiles
  Avx512Bf16 = 14,///< Avx512Vnni + products of bfloat16 (Zen 4, Sapphire Rapids on)
  Neon = 30,      ///< aarch64 baseline
  Wasm128 = 40,   ///< WebAssembly SIMD128
};

constexpr bool isa_is_x86(Isa isa) { return isa >= Isa::Avx2 && isa <= Isa::Avx512Bf16; }
/// Place of a level of x86 among the others: each has what those below it have.
constexpr int isa_x86_level(Isa isa) {
  switch (isa) {
    case Isa::Avx2: return 1;
    case Isa::Avx512: return 2;
    case Isa::Avx512Vnni: return 3;
    case Isa::Avx512Bf16: return 4;
    case Isa::Amx: return 5;
    default: return 0;
  }
}
/// True when code built for `needed` may run on a machine whose best level is `have`.
constexpr bool isa_allows(Isa have, Isa needed) {
  if (needed == Isa::Portable || have == needed) return true;
  return isa_is_x86(have) && isa_is_x86(needed) && isa_x86_level(needed) < isa_x86_level(have);
}
/// Whether products of bfloat16 are instructions; elsewhere their operands are rounded and multiplied as float32.
constexpr bool isa_multiplies_bf16(Isa isa) { return isa_allows(isa, Isa::Avx512Bf16); }
constexpr const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::Portable: return "portable";
    case Isa::Avx2: return "avx2";
    case Isa::Avx512: return "avx512";
    case Isa::Avx512Vnni: return "avx512vnni";
    case Isa::Amx: return "amx";
    case Isa::Avx512Bf16: return "avx512bf16";
    case Isa::Neon: return "neon";
    case Isa::Wasm128: return "wasm128";
  }
  return "unknown";
}

}  // namespace gf
