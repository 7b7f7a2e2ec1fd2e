// quantize_linear: y = saturate(round(x / scale) + zero point), ties to even (ONNX QuantizeLinear-25): per tensor, per
// axis or per block. Inputs: x, scale, zero point (its type is the output's).
#pragma once

#include "schema/op.h"
#include "schema/quantize.h"

namespace gf::op {

struct QuantizeLinear {
  static constexpr OpInfo info{
      .id = 400, .name = "quantize_linear", .min_inputs = 2, .max_inputs = 3, .flags = kOpQuantized};
  struct Attrs {
    int64_t axis = 1;
    int64_t block = 0;                    ///< elements of the axis that share a scale; 0: not blocked
    DType output_dtype = DType::Invalid;  ///< Invalid: the zero point's, else uint8
    DType precision = DType::Invalid;     ///< of the division; Invalid: the scale's
    bool saturate = true;                 ///< 8-bit floats: clamp to the largest value, else infinity or NaN
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"),
                                         field<&Attrs::block>(2, "block", 0, int64_t{1} << 40),
                                         field<&Attrs::output_dtype>(3, "output_dtype"),
                                         field<&Attrs::precision>(4, "precision"),
                                         field<&Attrs::saturate>(5, "saturate")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats | dtypes(DType::I32)));
    GF_TRY(c.expect_type(1, kScaleTypes | dtypes(DType::I32)));
    DType type = a.output_dtype;
    if (c.has_input(2)) {
      GF_TRY(c.expect_type(2, kQuantTypes));
      if (type != DType::Invalid && type != c.dtype(2))
        return c.fail(Error::TypeMismatch, "output_dtype is %s, the zero point %s", dtype_name(type), dtype_name(c.dtype(2)));
      type = c.dtype(2);
    }
    if (type == DType::Invalid) type = DType::U8;
    if (!kQuantTypes.contains(type)) return c.fail(Error::BadAttribute, "%s is no quantised type", dtype_name(type));
    if (a.precision != DType::Invalid && !kFloats.contains(a.precision))
      return c.fail(Error::BadAttribute, "precision %s is no float type", dtype_name(a.precision));
    GF_TRY(check_scales(c, 0, 1, 2, a.axis, a.block));
    GF_TRY(check_scale_values(c, 1, false));
    return c.set(0, type, c.shape(0));
  }
  /// PyTorch's quantize_per_tensor has none either; its fake_quantize, which has, gives floats.
  static constexpr NoGradient grad{"its result is quantised"};
};

}  // namespace gf::op
