// trilu: upper or lower triangle of the last two axes, the rest zero (ONNX Trilu). Input 1: diagonal k (0 when absent).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Trilu {
  static constexpr OpInfo info{.id = 176, .name = "trilu", .min_inputs = 1, .max_inputs = 2};
  struct Attrs {
    bool upper = true;
  };
  static constexpr AttrField fields[] = {field<&Attrs::upper>(1, "upper")};

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kMovable));
    GF_TRY(c.expect_min_rank(0, 2));
    if (c.has_input(1)) {
      GF_TRY(c.expect_type(1, dtypes(DType::I64)));
      bool known = false;
      Dim k;
      GF_TRY(read_scalar(c, 1, "k", known, k));
    }
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = trilu(dy)
};

}  // namespace gf::op
