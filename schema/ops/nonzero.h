// nonzero: coordinates of the elements that are not zero, one column each, in row-major order (ONNX NonZero).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct NonZero {
  static constexpr OpInfo info{.id = 173, .name = "nonzero", .flags = kOpDataShape};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kNumbersAndBool));
    DimShape out;
    out.push(c.rank(0));
    out.push(c.fresh(0, c.count(c.shape(0)).hi));
    return c.set(0, DType::I64, out);
  }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
