// mod: remainder with NumPy broadcasting, sign of the divisor (Python) or, with `fmod`, of the dividend (C). An integer
// remainder by zero is DivisionByZero.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Mod : BinaryOp<Mod> {
  static constexpr OpInfo info{.id = 63, .name = "mod", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  struct Attrs {
    bool fmod = false;  ///< sign of the dividend, as C has it
  };
  static constexpr AttrField fields[] = {field<&Attrs::fmod>(1, "fmod")};
  static constexpr const char* kHazard = "integer remainder by zero: an element of the second input is 0";
  template <class T>
  static Error hazard(T, T y, const Attrs&) {
    if constexpr (std::is_integral_v<T>)
      if (y == T(0)) return Error::DivisionByZero;
    return Error::Ok;
  }
  template <class T>
  static T apply(T x, T y, const Attrs& a) {
    if constexpr (std::is_floating_point_v<T>) {
      const T r = std::fmod(x, y);
      if (a.fmod) return r;
      if (r == T(0)) return std::copysign(r, y);
      return (r < T(0)) != (y < T(0)) ? r + y : r;
    } else {
      if constexpr (std::is_signed_v<T>)
        if (y == T(-1)) return T(0);  // the smallest integer overflows the division
      const T r = static_cast<T>(x % y);
      return !a.fmod && r != T(0) && (r < T(0)) != (y < T(0)) ? static_cast<T>(r + y) : r;
    }
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz, dy = -dz * floor(x / y) (fmod: trunc)
};

}  // namespace gf::op
