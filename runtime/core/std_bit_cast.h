// std::bit_cast for the C++ library of Debian's Emscripten (LLVM 13), which lacks it: toolchains/wasm.cmake includes this in front of
// every source. Nothing else includes it; code that reaches many files calls gf::bit_cast (bit_cast.h).
#pragma once

#ifdef __cplusplus
#include <bit>

#ifndef __cpp_lib_bit_cast
namespace std {

template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

}  // namespace std
#endif
#endif
