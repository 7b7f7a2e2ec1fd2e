// is_inf: true where x is an infinity of a wanted sign.
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct IsInf : PredicateOp<IsInf> {
  static constexpr OpInfo info{.id = 54, .name = "is_inf", .flags = kOpElementwise};
  struct Attrs {
    bool detect_negative = true;  ///< -inf counts
    bool detect_positive = true;  ///< +inf counts
  };
  static constexpr AttrField fields[] = {
      field<&Attrs::detect_negative>(1, "detect_negative"),
      field<&Attrs::detect_positive>(2, "detect_positive")};
  template <class T>
  static bool apply(T x, const Attrs& a) {
    constexpr T kInf = std::numeric_limits<T>::infinity();
    return (a.detect_positive && x == kInf) || (a.detect_negative && x == -kInf);
  }
  static constexpr NoGradient grad{"the output is boolean"};
};

}  // namespace gf::op
