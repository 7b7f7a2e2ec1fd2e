// gelu_grad: dx = dy * gelu'(x): Phi(x) + x phi(x), or the derivative of the tanh form. Inputs x, dy. Made by gradients only
// (schema/gradients/unary.cpp).
#pragma once

#include "schema/ops/gelu.h"

namespace gf::op {

struct GeluGrad : BinaryOp<GeluGrad> {
  static constexpr OpInfo info{.id = 282, .name = "gelu_grad", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kFloats;
  using Attrs = Gelu::Attrs;
  static constexpr std::span<const AttrField> fields = Gelu::fields;

  template <class T>
  static T apply(T x, T dy, const Attrs& a) {
    if constexpr (!std::is_floating_point_v<T>) return T{};
    else {
      if (a.approximate == Gelu::Approximate::Tanh) {
        constexpr T k = static_cast<T>(0.79788456080286535588), c = static_cast<T>(0.044715);
        const T t = std::tanh(k * (x + c * x * x * x));
        return dy * (T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * k * (T(1) + T(3) * c * x * x));
      }
      constexpr T kSqrtHalf = static_cast<T>(0.70710678118654752440), kPhi = static_cast<T>(0.39894228040143267794);
      return dy * (T(0.5) * std::erfc(-x * kSqrtHalf) + x * (kPhi * std::exp(T(-0.5) * x * x)));
    }
  }
  static constexpr GradientOfExpansion grad{};

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0), dy = e.input(1), xx = x * x;
    if (a.approximate == Gelu::Approximate::Tanh) {
      constexpr double kK = 0.79788456080286535588, kC = 0.044715;
      const Var t = e.tanh((x + kC * (xx * x)) * kK);
      const Var slope = (1.0 + (3 * kC) * xx) * (0.5 * kK);
      return e.finish(dy * (0.5 * (1.0 + t) + x * (1.0 + -(t * t)) * slope));
    }
    const Var phi = e.exp(xx * -0.5) * 0.39894228040143267794;
    return e.finish(dy * (0.5 * (1.0 + e.erf(x * 0.70710678118654752440)) + x * phi));
  }
};

}  // namespace gf::op
