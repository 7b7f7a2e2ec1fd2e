// squeeze: drops axes of length 1 (ONNX Squeeze-13); axes as input 1 or attribute, all such axes when neither is given.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Squeeze {
  static constexpr OpInfo info{.id = 152, .name = "squeeze", .min_inputs = 1, .max_inputs = 2, .flags = kOpView};
  struct Attrs {
    IntList axes = {};  ///< used when input 1 is absent
  };
  static constexpr AttrField fields[] = {field<&Attrs::axes>(1, "axes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    const DimShape& in = c.shape(0);
    AxisList axes;
    GF_TRY(read_axes(c, 1, a.axes, in.rank, axes));
    if (!axes.known) return c.set_unknown(0, c.dtype(0));
    DimShape out;
    for (int d = 0; d < in.rank; ++d) {
      bool drop = axes.contains(d);
      if (!axes.given) {
        drop = in[d].is_const() && in[d].lo == 1;
        if (!in[d].is_const() && in[d].lo <= 1 && in[d].hi >= 1) return c.set_unknown(0, c.dtype(0));
      } else if (drop && (in[d].lo > 1 || in[d].hi < 1)) {
        return c.fail(Error::ShapeMismatch, "axis %d has length %lld and cannot be squeezed", d,
                      static_cast<long long>(in[d].lo));
      }
      if (!drop) out.push(in[d]);
    }
    GF_TRY(c.set(0, c.dtype(0), out));
    forward_values(c, 0, 0);
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = reshape(dy, shape of x)
};

}  // namespace gf::op
