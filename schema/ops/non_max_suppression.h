// non_max_suppression: boxes kept per batch and class in order of score, skipping those that overlap a kept one
// (ONNX NonMaxSuppression-11). Inputs: boxes [B, N, 4], scores [B, C, N], most boxes per class (absent: 0), IoU
// threshold (0), score threshold (none). Output [kept, 3]: batch, class, box.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct NonMaxSuppression {
  static constexpr OpInfo info{
      .id = 201, .name = "non_max_suppression", .min_inputs = 2, .max_inputs = 5, .flags = kOpDataShape};
  struct Attrs {
    bool center_point_box = false;  ///< boxes are [x center, y center, width, height], else [y1, x1, y2, x2]
  };
  static constexpr AttrField fields[] = {field<&Attrs::center_point_box>(1, "center_point_box")};

  static Error infer(InferContext& c, const Attrs&) {
    const DTypeSet f32 = dtypes(DType::F32);
    GF_TRY(c.expect_type(0, f32));
    GF_TRY(c.expect_type(1, f32));
    GF_TRY(c.expect_rank(0, 3));
    GF_TRY(c.expect_rank(1, 3));
    GF_TRY(c.expect_equal(c.shape(0)[2], 4, "boxes need four coordinates"));
    GF_TRY(c.expect_equal(c.shape(0)[0], c.shape(1)[0], "boxes and scores differ in batch"));
    GF_TRY(c.expect_equal(c.shape(0)[1], c.shape(1)[2], "boxes and scores differ in their number of boxes"));
    bool known = false;
    Dim value, most = 0;
    if (c.has_input(2)) {
      GF_TRY(c.expect_type(2, dtypes(DType::I64)));
      GF_TRY(read_scalar(c, 2, "max_output_boxes_per_class", known, value));
      most = c.shape(0)[1];
      if (known && value.hi < most.hi) most = value.hi < 0 ? 0 : value.hi;
    }
    for (int i = 3; i <= 4; ++i) {
      if (!c.has_input(i)) continue;
      GF_TRY(c.expect_type(i, f32));
      GF_TRY(read_scalar(c, i, i == 3 ? "iou_threshold" : "score_threshold", known, value));
    }
    const Dim bound = c.mul(c.mul(c.shape(0)[0], c.shape(1)[1]), most);
    DimShape out;
    out.push(c.fresh(0, bound.hi));
    out.push(3);
    return c.set(0, DType::I64, out);
  }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
