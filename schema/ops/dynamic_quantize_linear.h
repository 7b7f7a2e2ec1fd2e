// dynamic_quantize_linear: quantises to uint8 with the range of the data, 0 included (ONNX DynamicQuantizeLinear).
// Outputs: y, scale, zero point.
#pragma once

#include "schema/op.h"
#include "schema/quantize.h"

namespace gf::op {

struct DynamicQuantizeLinear {
  static constexpr OpInfo info{
      .id = 402, .name = "dynamic_quantize_linear", .min_outputs = 3, .max_outputs = 3,
      .flags = kOpQuantized | kOpDataErrors};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, dtypes(DType::F32)));
    GF_TRY(c.set(0, DType::U8, c.shape(0)));
    GF_TRY(c.set(1, DType::F32, DimShape{}));
    return c.set(2, DType::U8, DimShape{});
  }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
