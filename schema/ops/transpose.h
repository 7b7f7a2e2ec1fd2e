// transpose: permutes the axes, y[i_perm] = x[i] (ONNX Transpose).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Transpose {
  static constexpr OpInfo info{.id = 150, .name = "transpose"};
  struct Attrs {
    IntList perm = {};  ///< output axis d is input axis perm[d]; empty: reversed
  };
  static constexpr AttrField fields[] = {field<&Attrs::perm>(1, "perm")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    const int rank = c.rank(0);
    DimShape out;
    if (!a.perm.empty() && static_cast<int>(a.perm.size()) != rank)
      return c.fail(Error::BadAttribute, "perm has %zu entries for rank %d", a.perm.size(), rank);
    uint32_t seen = 0;
    for (int d = 0; d < rank; ++d) {
      int axis = rank - 1 - d;
      if (!a.perm.empty()) GF_TRY(c.normalize_axis(a.perm[static_cast<size_t>(d)], rank, axis, "perm"));
      if ((seen & (1U << axis)) != 0) return c.fail(Error::BadAttribute, "perm names axis %d twice", axis);
      seen |= 1U << axis;
      out.push(c.shape(0)[axis]);
    }
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = transpose(dy, inverse of perm)
};

}  // namespace gf::op
