// div: z = x / y with NumPy broadcasting; integers truncate toward zero, the smallest one over -1 wraps to itself,
// and an integer division by zero is DivisionByZero.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct Div : BinaryOp<Div> {
  static constexpr OpInfo info{.id = 62, .name = "div", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static constexpr DimOp kDimOp = DimOp::FloorDiv;
  static constexpr const char* kHazard = "integer division by zero: an element of the second input is 0";
  template <class T>
  static Error hazard(T, T y, const Attrs&) {
    if constexpr (std::is_integral_v<T>)
      if (y == T(0)) return Error::DivisionByZero;
    return Error::Ok;
  }
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      if (y == T(-1)) return wrapping::sub(T(0), x);  // the one quotient that may not fit
    }
    return x / y;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz / y, dy = -dz * z / y, each summed over its broadcast axes
};

}  // namespace gf::op
