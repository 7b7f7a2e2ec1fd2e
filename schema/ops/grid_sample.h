// grid_sample: samples an image at normalised coordinates (Jaderberg et al. 2015; ONNX GridSample-20), channels last:
// x [N, D1.., C], grid [N, O1.., k] with the last axis of x first -> [N, O1.., C].
#pragma once

#include "schema/list_input.h"
#include "schema/formula.h"

namespace gf {

/// Values stand in files.
enum class GridMode : uint8_t { Linear = 0, Nearest = 1, Cubic = 2 };
enum class GridPadding : uint8_t { Zeros = 0, Border = 1, Reflection = 2 };

namespace op {

struct GridSample {
  static constexpr OpInfo info{.id = 204, .name = "grid_sample", .min_inputs = 2, .max_inputs = 2};
  struct Attrs {
    GridMode mode = GridMode::Linear;
    GridPadding padding = GridPadding::Zeros;
    bool align_corners = false;  ///< -1 and 1 are the middles of the corner pixels, else their outer edges
  };
  static constexpr AttrField fields[] = {field<&Attrs::mode>(1, "mode", 0, 2),
                                         field<&Attrs::padding>(2, "padding", 0, 2),
                                         field<&Attrs::align_corners>(3, "align_corners")};
  static constexpr int kMaxSpatial = 3;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_type(1, kFloats));
    GF_TRY(c.expect_min_rank(0, 3));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    const int spatial = c.rank(0) - 2;
    if (spatial > kMaxSpatial) return c.fail(Error::Unsupported, "%d spatial axes, at most %d", spatial, kMaxSpatial);
    GF_TRY(c.expect_equal(c.shape(0)[0], c.shape(1)[0], "x and grid differ in batch"));
    GF_TRY(c.expect_equal(c.shape(1)[spatial + 1], spatial, "grid needs one coordinate per spatial axis"));
    DimShape out = c.shape(1);
    out[spatial + 1] = c.shape(0)[spatial + 1];
    for (int d = 1; d <= spatial; ++d)
      if (c.shape(0)[d].hi == 0) return c.fail(Error::ShapeMismatch, "spatial axis %d is empty", d);
    return c.set(0, c.dtype(0), out);
  }
  // dx = dy spread with the weights; d grid = dy times the weights' slopes
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);
};

}  // namespace op
}  // namespace gf
