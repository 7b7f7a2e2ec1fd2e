// bit_cast, which the C++ library of Debian's Emscripten (LLVM 13) does not have yet.
#pragma once

#include <type_traits>

namespace gf {

template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
  static_assert(sizeof(To) == sizeof(From) && std::is_trivially_copyable_v<To> && std::is_trivially_copyable_v<From>);
  return __builtin_bit_cast(To, from);
}

}  // namespace gf
