// Instruction-set levels that kernel tables are ranked by. Passed by value to create; nothing is detected here.
#pragma once

#include <cstdint>

namespace gf {

/// What the vector kernels may use. Ordered within one architecture; Portable is plain C++ on any of them.
/// Values appear in tuning records: never renumber.
enum class Isa : uint8_t {
  Portable = 0,
  Avx2 = 10,      ///< AVX2 + FMA + F16C (Haswell on)
  Avx512 = 11,    ///< AVX-512 F/BW/CD/DQ/VL (Skylake-X on)
  Avx512Vnni = 12,///< Avx512 + VNNI/VBMI2/BF16-less "AVX3_DL" set (Ice Lake on)
  Amx = 13,       ///< Avx512Vnni + AMX tiles
  Neon = 30,      ///< aarch64 baseline
  Wasm128 = 40,   ///< WebAssembly SIMD128
};

constexpr bool isa_is_x86(Isa isa) { return isa >= Isa::Avx2 && isa <= Isa::Amx; }
/// True when code built for `needed` may run on a machine whose best level is `have`.
constexpr bool isa_allows(Isa have, Isa needed) {
  if (needed == Isa::Portable || have == needed) return true;
  return isa_is_x86(have) && isa_is_x86(needed) && needed < have;
}
constexpr const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::Portable: return "portable";
    case Isa::Avx2: return "avx2";
    case Isa::Avx512: return "avx512";
    case Isa::Avx512Vnni: return "avx512vnni";
    case Isa::Amx: return "amx";
    case Isa::Neon: return "neon";
    case Isa::Wasm128: return "wasm128";
  }
  return "unknown";
}

}  // namespace gf
