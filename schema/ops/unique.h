// unique: distinct elements (or slices along an axis), where each first stood, which one each input is, and how often
// (ONNX Unique-11). Ordered by value when sorted, else by first appearance.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Unique {
  static constexpr OpInfo info{.id = 175, .name = "unique", .max_outputs = 4, .flags = kOpDataShape};
  struct Attrs {
    int64_t axis = 0;
    bool flat = true;  ///< true: no axis, the flattened tensor
    bool sorted = true;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::flat>(2, "flat"),
                                         field<&Attrs::sorted>(3, "sorted")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbersAndBool));
    DimShape out;
    int axis = 0;
    Dim length = c.count(c.shape(0));
    if (a.flat) {
      out.push(0);
    } else {
      GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
      out = c.shape(0);
      length = out[axis];
    }
    const Dim n = c.fresh(length.lo > 0 ? 1 : 0, length.hi);
    out[axis] = n;
    GF_TRY(c.set(0, c.dtype(0), out));
    DimShape count, inverse;
    count.push(n);
    inverse.push(length);
    GF_TRY(c.set(1, DType::I64, count));
    GF_TRY(c.set(2, DType::I64, inverse));
    return c.set(3, DType::I64, count);
  }
  static constexpr NoGradient grad{"which of equal elements is kept is a choice; PyTorch has none either"};
};

}  // namespace gf::op
