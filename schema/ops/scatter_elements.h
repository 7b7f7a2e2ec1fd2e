// scatter_elements: data with updates written (or added, ...) at indices along one axis (ONNX ScatterElements-18).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// What a scatter does where data already is. Values stand in files.
enum class ScatterReduction : uint8_t { None = 0, Add = 1, Mul = 2, Max = 3, Min = 4 };

namespace op {

struct ScatterElements {
  static constexpr OpInfo info{
      .id = 161, .name = "scatter_elements", .min_inputs = 3, .max_inputs = 3, .flags = kOpDataErrors};
  struct Attrs {
    int64_t axis = 0;
    ScatterReduction reduction = ScatterReduction::None;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"),
                                         field<&Attrs::reduction>(2, "reduction", 0, 4)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, a.reduction == ScatterReduction::None ? kMovable : kNumbersAndBool));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    GF_TRY(c.expect_rank(2, c.rank(0)));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    for (int d = 0; d < c.rank(0); ++d) {
      GF_TRY(c.expect_equal(c.shape(1)[d], c.shape(2)[d], "indices and updates differ in shape"));
      if (d != axis && c.shape(1)[d].lo > c.shape(0)[d].hi)
        return c.fail(Error::ShapeMismatch, "indices have length %lld on axis %d, data only %lld",
                      static_cast<long long>(c.shape(1)[d].lo), d, static_cast<long long>(c.shape(0)[d].hi));
    }
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d updates = gather_elements(dy, indices); d data = dy, zero where overwritten
};

}  // namespace op
}  // namespace gf
