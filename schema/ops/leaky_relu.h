// leaky_relu: y = x for x >= 0, alpha * x below (ONNX LeakyRelu).
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct LeakyRelu : UnaryOp<LeakyRelu> {
  static constexpr OpInfo info{.id = 13, .name = "leaky_relu", .flags = kOpElementwise};
  struct Attrs {
    float alpha = 0.01f;  ///< slope below zero
  };
  static constexpr AttrField fields[] = {field<&Attrs::alpha>(1, "alpha")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return x < T(0) ? static_cast<T>(a.alpha) * x : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (x <= 0 ? alpha : 1)
};

}  // namespace gf::op
