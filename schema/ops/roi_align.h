// roi_align: features of boxes sampled on a regular grid of bins (He et al. 2017; ONNX RoiAlign-16), channels last:
// x [N, H, W, C], rois [R, 4] as x1 y1 x2 y2, batch index [R] -> [R, output_height, output_width, C]. With max_mode, when read,
// for gradients: flat index in x of each maximum (-1: none) and the weight that it has.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct RoiAlign {
  static constexpr OpInfo info{
      .id = 202, .name = "roi_align", .min_inputs = 3, .max_inputs = 3, .min_outputs = 1, .max_outputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    int64_t output_height = 1;
    int64_t output_width = 1;
    int64_t sampling_ratio = 0;  ///< samples per bin and direction; 0: as many as the box's pixels per bin
    float spatial_scale = 1;     ///< of roi coordinates to feature coordinates
    bool max_mode = false;       ///< maximum of the weighted corners, else the mean of the samples
    bool half_pixel = true;      ///< shift by half a pixel (the "aligned" form)
  };
  static constexpr AttrField fields[] = {field<&Attrs::output_height>(1, "output_height", 1, 1 << 20),
                                         field<&Attrs::output_width>(2, "output_width", 1, 1 << 20),
                                         field<&Attrs::sampling_ratio>(3, "sampling_ratio", 0, 1 << 10),
                                         field<&Attrs::spatial_scale>(4, "spatial_scale"),
                                         field<&Attrs::max_mode>(5, "max_mode"),
                                         field<&Attrs::half_pixel>(6, "half_pixel")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_type(2, kIndex));
    GF_TRY(c.expect_rank(0, 4));
    GF_TRY(c.expect_rank(1, 2));
    GF_TRY(c.expect_rank(2, 1));
    GF_TRY(c.expect_equal(c.shape(1)[1], 4, "rois need four coordinates"));
    GF_TRY(c.expect_equal(c.shape(1)[0], c.shape(2)[0], "one batch index per roi is needed"));
    if (a.output_height < 1 || a.output_width < 1) return c.fail(Error::BadAttribute, "output sizes must be positive");
    DimShape out;
    out.push(c.shape(1)[0]);
    out.push(a.output_height);
    out.push(a.output_width);
    out.push(c.shape(0)[3]);
    if ((c.has_output(1) || c.has_output(2)) && !a.max_mode)
      return c.fail(Error::InvalidArgument, "places of maxima are for max_mode");
    GF_TRY(c.set(1, DType::I64, out));
    GF_TRY(c.set(2, c.dtype(0), out));
    return c.set(0, c.dtype(0), out);
  }
  // dx = dy spread with the sampling weights (roi_align_grad), or to the maxima; rois have none, as in torchvision
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
