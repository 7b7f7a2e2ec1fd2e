// shrink: y = x + bias for x < -lambd, x - bias for x > lambd, else 0. Integers compute in double and truncate.
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct Shrink : UnaryOp<Shrink> {
  static constexpr OpInfo info{.id = 49, .name = "shrink", .flags = kOpElementwise};
  static constexpr DTypeSet kTypes = kNumbers;
  struct Attrs {
    float lambd = 0.5f;  ///< half width of the dead zone
    float bias = 0.0f;  ///< step toward zero outside it
  };
  static constexpr AttrField fields[] = {field<&Attrs::lambd>(1, "lambd"), field<&Attrs::bias>(2, "bias")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    using F = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const F v = static_cast<F>(x), lambd = static_cast<F>(a.lambd), bias = static_cast<F>(a.bias);
    const F y = v < -lambd ? v + bias : v > lambd ? v - bias : v != v ? v : F(0);
    if constexpr (std::is_floating_point_v<T>) return y;
    else return static_cast<T>(static_cast<int64_t>(math::clamp(y, F(-0x1p62), F(0x1p62))));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (|x| > lambd)
};

}  // namespace gf::op
