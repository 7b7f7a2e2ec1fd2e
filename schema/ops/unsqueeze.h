// unsqueeze: inserts axes of length 1 (ONNX Unsqueeze-13); axes of the result, as input 1 or attribute.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Unsqueeze {
  static constexpr OpInfo info{.id = 153, .name = "unsqueeze", .min_inputs = 1, .max_inputs = 2, .flags = kOpView};
  struct Attrs {
    IntList axes = {};  ///< used when input 1 is absent
  };
  static constexpr AttrField fields[] = {field<&Attrs::axes>(1, "axes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    const DimShape& in = c.shape(0);
    int64_t count = static_cast<int64_t>(a.axes.size());
    if (c.has_input(1)) {
      count = c.value_count(1);
      if (count < 0 && c.rank(1) == 1 && c.shape(1)[0].is_const()) count = c.shape(1)[0].lo;
      if (c.rank(1) == 0) count = 1;
    }
    if (count < 0) return c.set_unknown(0, c.dtype(0));
    if (count > kMaxRank - in.rank)
      return c.fail(Error::LimitExceeded, "rank %d with %lld new axes is over %d", in.rank, static_cast<long long>(count),
                    kMaxRank);
    const int rank = in.rank + static_cast<int>(count);
    AxisList axes;
    GF_TRY(read_axes(c, 1, a.axes, rank, axes));
    if (!axes.known) return c.set_unknown(0, c.dtype(0));
    DimShape out;
    for (int d = 0, from = 0; d < rank; ++d) out.push(axes.contains(d) ? Dim(1) : in[from++]);
    GF_TRY(c.set(0, c.dtype(0), out));
    forward_values(c, 0, 0);
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = reshape(dy, shape of x)
};

}  // namespace gf::op
