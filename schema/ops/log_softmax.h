// log_softmax: y = x - max - ln(sum(exp(x - max))) along one axis (ONNX LogSoftmax-13).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct LogSoftmax {
  static constexpr OpInfo info{.id = 251, .name = "log_softmax"};
  struct Attrs {
    int64_t axis = -1;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0) == 0 ? 1 : c.rank(0), axis));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy - exp(y) * sum(dy)
};

}  // namespace gf::op
