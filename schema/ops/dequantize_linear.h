// dequantize_linear: y = (x - zero point) * scale (ONNX DequantizeLinear-25): per tensor, per axis or per block.
#pragma once

#include "schema/op.h"
#include "schema/quantize.h"

namespace gf::op {

struct DequantizeLinear {
  static constexpr OpInfo info{
      .id = 401, .name = "dequantize_linear", .min_inputs = 2, .max_inputs = 3, .flags = kOpQuantized};
  struct Attrs {
    int64_t axis = 1;
    int64_t block = 0;                    ///< elements of the axis that share a scale; 0: not blocked
    DType output_dtype = DType::Invalid;  ///< Invalid: the scale's
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"),
                                         field<&Attrs::block>(2, "block", 0, int64_t{1} << 40),
                                         field<&Attrs::output_dtype>(3, "output_dtype")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kQuantTypes | dtypes(DType::I32)));
    GF_TRY(c.expect_type(1, kScaleTypes));
    if (c.has_input(2)) GF_TRY(c.expect_same_type(0, 2));
    DType type = a.output_dtype != DType::Invalid ? a.output_dtype : c.dtype(1);
    if (type == DType::F8E8M0) type = DType::F32;
    if (!kFloats.contains(type)) return c.fail(Error::BadAttribute, "output type %s is no float type", dtype_name(type));
    GF_TRY(check_scales(c, 0, 1, 2, a.axis, a.block));
    GF_TRY(check_scale_values(c, 1, true));
    return c.set(0, type, c.shape(0));
  }
  static constexpr NoGradient grad{"the input is integer"};
};

}  // namespace gf::op
