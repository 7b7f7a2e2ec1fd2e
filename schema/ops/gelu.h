// gelu: y = x * Phi(x) (Hendrycks & Gimpel 2016), exact or with the tanh approximation.
#pragma once

#include <cmath>

#include "schema/elementwise.h"
#include "schema/formula.h"

namespace gf::op {

struct Gelu : UnaryOp<Gelu> {
  static constexpr OpInfo info{.id = 45, .name = "gelu", .flags = kOpElementwise};
  enum class Approximate : uint8_t { None = 0, Tanh = 1 };  ///< stands in files: never renumber
  struct Attrs {
    Approximate approximate = Approximate::None;  ///< formula
  };
  static constexpr AttrField fields[] = {field<&Attrs::approximate>(1, "approximate", 0, 1)};
  template <class T>
  static T apply(T x, const Attrs& a) {
    if (a.approximate == Approximate::Tanh) {
      constexpr T kSqrt2OverPi = static_cast<T>(0.79788456080286535588);
      return T(0.5) * x * (T(1) + std::tanh(kSqrt2OverPi * (x + static_cast<T>(0.044715) * x * x * x)));
    }
    constexpr T kSqrtHalf = static_cast<T>(0.70710678118654752440);
    return T(0.5) * x * std::erfc(-x * kSqrtHalf);  // erfc: 1 + erf cancels for negative x
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (Phi(x) + x * phi(x)), or the derivative of the tanh form

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0);
    if (a.approximate == Approximate::Tanh)
      return e.finish(0.5 * x * (1.0 + e.tanh((x + 0.044715 * x * x * x) * 0.79788456080286535588)));
    return e.finish(0.5 * x * (1.0 + e.erf(x * 0.70710678118654752440)));
  }
};

}  // namespace gf::op
