// pow: z = x^y with NumPy broadcasting, both of one type (the importer casts). Integers wrap; a negative exponent gives
// the truncated result, and 0 to a negative power is DivisionByZero.
#pragma once

#include <cmath>

#include "schema/elementwise.h"

namespace gf::op {

struct Pow : BinaryOp<Pow> {
  static constexpr OpInfo info{.id = 64, .name = "pow", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static constexpr const char* kHazard = "zero to a negative integer power";
  template <class T>
  static Error hazard(T x, T y, const Attrs&) {
    if constexpr (std::is_integral_v<T>)
      if (x == T(0) && y < T(0)) return Error::DivisionByZero;
    return Error::Ok;
  }
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    if constexpr (std::is_floating_point_v<T>) {
      return std::pow(x, y);
    } else {
      if (y < T(0)) return x == T(1) ? T(1) : x == T(-1) ? (y % 2 == 0 ? T(1) : T(-1)) : T(0);
      T result = 1;
      for (T base = x, n = y; n != T(0); n = static_cast<T>(n >> 1), base = wrapping::mul(base, base))
        if ((n & T(1)) != T(0)) result = wrapping::mul(result, base);
      return result;
    }
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz * y * x^(y-1), dy = dz * z * log(x) (0 where x = 0), each summed over its broadcast axes
};

}  // namespace gf::op
