// roi_align_grad: gradient of roi_align's mean by its features (He et al. 2017): every dy of a bin goes back to the corners that
// the bin read, with their weights over the number of samples. Inputs dy [R, height, width, C], rois and batch index as roi_align
// has them, x [N, H, W, C] (for its shape only) -> like x. Made by gradients only (schema/gradients/sampling.cpp).
#pragma once

#include "schema/ops/roi_align.h"

namespace gf::op {

struct RoiAlignGrad {
  static constexpr OpInfo info{
      .id = 213, .name = "roi_align_grad", .min_inputs = 4, .max_inputs = 4, .flags = kOpDataErrors};
  using Attrs = RoiAlign::Attrs;  ///< max_mode must be off
  static constexpr std::span<const AttrField> fields = RoiAlign::fields;

  static Error infer(InferContext& c, const Attrs& a) {
    for (const int i : {0, 1, 3}) {
      GF_TRY(c.expect_type(i, kFloats));
      GF_TRY(c.expect_same_type(0, i));
    }
    GF_TRY(c.expect_type(2, kIndex));
    for (const int i : {0, 3}) GF_TRY(c.expect_rank(i, 4));
    GF_TRY(c.expect_rank(1, 2));
    GF_TRY(c.expect_rank(2, 1));
    GF_TRY(c.expect_equal(c.shape(1)[1], 4, "rois need four coordinates"));
    for (const int i : {1, 2}) GF_TRY(c.expect_equal(c.shape(i)[0], c.shape(0)[0], "one roi and batch index per dy is needed"));
    GF_TRY(c.expect_equal(c.shape(0)[1], a.output_height, "dy has another height"));
    GF_TRY(c.expect_equal(c.shape(0)[2], a.output_width, "dy has another width"));
    GF_TRY(c.expect_equal(c.shape(0)[3], c.shape(3)[3], "dy and x differ in channels"));
    if (a.max_mode) return c.fail(Error::BadAttribute, "max_mode: roi_align itself tells where its maxima are");
    return c.set(0, c.dtype(0), c.shape(3));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // linear in dy: its gradient is roi_align's mean
};

}  // namespace gf::op
