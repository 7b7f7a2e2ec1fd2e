// flatten: a matrix of the axes before `axis` and those from it on (ONNX Flatten).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Flatten {
  static constexpr OpInfo info{.id = 154, .name = "flatten", .flags = kOpView};
  struct Attrs {
    int64_t axis = 1;  ///< in [-rank, rank]
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    const int rank = c.rank(0);
    if (a.axis < -rank || a.axis > rank)
      return c.fail(Error::BadAttribute, "axis %lld is outside [%d, %d]", static_cast<long long>(a.axis), -rank, rank);
    const int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
    DimShape out;
    out.push(c.count(c.shape(0), 0, axis));
    out.push(c.count(c.shape(0), axis, rank));
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = reshape(dy, shape of x)
};

}  // namespace gf::op
