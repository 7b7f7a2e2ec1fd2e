// max_roi_pool: maxima of a box cut in bins (Girshick 2015; ONNX MaxRoiPool), channels last: x [N, H, W, C], rois
// [R, 5] as batch x1 y1 x2 y2 -> [R, pooled height, pooled width, C]; when read, for gradients: flat index in x of each maximum
// (-1: the bin is empty).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct MaxRoiPool {
  static constexpr OpInfo info{
      .id = 203, .name = "max_roi_pool", .min_inputs = 2, .max_inputs = 2, .min_outputs = 1, .max_outputs = 2, .flags = kOpDataErrors};
  struct Attrs {
    int64_t pooled_height = 1;
    int64_t pooled_width = 1;
    float spatial_scale = 1;  ///< of roi coordinates to feature coordinates
  };
  static constexpr AttrField fields[] = {field<&Attrs::pooled_height>(1, "pooled_height", 1, 1 << 20),
                                         field<&Attrs::pooled_width>(2, "pooled_width", 1, 1 << 20),
                                         field<&Attrs::spatial_scale>(3, "spatial_scale")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_rank(0, 4));
    GF_TRY(c.expect_rank(1, 2));
    GF_TRY(c.expect_equal(c.shape(1)[1], 5, "rois need a batch index and four coordinates"));
    if (a.pooled_height < 1 || a.pooled_width < 1) return c.fail(Error::BadAttribute, "pooled sizes must be positive");
    DimShape out;
    out.push(c.shape(1)[0]);
    out.push(a.pooled_height);
    out.push(a.pooled_width);
    out.push(c.shape(0)[3]);
    GF_TRY(c.set(1, DType::I64, out));
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy at the place of each maximum; rois have none, as in torchvision
};

}  // namespace gf::op
