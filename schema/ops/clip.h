// clip: y = min(max(x, min), max); NaN stays NaN. Limits that are tensors become min and max ops.
#pragma once

#include "schema/elementwise.h"
#include "schema/elementwise_math.h"

namespace gf::op {

struct Clip : UnaryOp<Clip> {
  static constexpr OpInfo info{.id = 50, .name = "clip", .flags = kOpElementwise};
  struct Attrs {
    double min = -std::numeric_limits<double>::infinity();  ///< lower limit
    double max = std::numeric_limits<double>::infinity();  ///< upper limit; wins over min
  };
  static constexpr AttrField fields[] = {field<&Attrs::min>(1, "min"), field<&Attrs::max>(2, "max")};
  template <class T>
  static T apply(T x, const Attrs& a) {
    return math::clamp(x, static_cast<T>(a.min), static_cast<T>(a.max));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * (min <= x <= max)
};

}  // namespace gf::op
