// Attributes and inference shared by the losses on class indices.
#pragma once

#include "schema/op.h"

namespace gf {

enum class Reduction : uint8_t { None = 0, Mean = 1, Sum = 2 };  ///< stands in files: never renumber

/// `ignore_index` that ignores nothing.
inline constexpr int64_t kNoIgnoreIndex = std::numeric_limits<int64_t>::min();

struct ClassLossAttrs {
  Reduction reduction = Reduction::Mean;
  int64_t ignore_index = kNoIgnoreIndex;  ///< targets of this value count nothing
  int64_t axis = 1;                       ///< class axis of the scores
};
inline constexpr AttrField kClassLossFields[] = {field<&ClassLossAttrs::reduction>(1, "reduction", 0, 2),
                                                 field<&ClassLossAttrs::ignore_index>(2, "ignore_index"),
                                                 field<&ClassLossAttrs::axis>(3, "axis")};

/// Input 0: scores [.., classes, ..]; input 1: targets (int32/int64), the same without the class axis; input `weights`,
/// optional: a weight per class. Gives the shape of the loss.
inline Error check_class_loss(InferContext& c, const ClassLossAttrs& a, int weights, DimShape& loss) {
  GF_TRY(c.expect_type(0, kFloats));
  GF_TRY(c.expect_type(1, kIndex));
  GF_TRY(c.expect_min_rank(0, 2));
  int axis = 0;
  GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
  DimShape targets;
  for (int d = 0; d < c.rank(0); ++d)
    if (d != axis) targets.push(c.shape(0)[d]);
  GF_TRY(c.expect_rank(1, targets.rank));
  for (int d = 0; d < targets.rank; ++d)
    GF_TRY(c.expect_equal(targets[d], c.shape(1)[d], "targets must have the scores' shape without the class axis"));
  if (c.has_input(weights)) {
    GF_TRY(c.expect_same_type(0, weights));
    GF_TRY(c.expect_rank(weights, 1));
    GF_TRY(c.expect_equal(c.shape(weights)[0], c.shape(0)[axis], "weights need one entry per class"));
  }
  loss = a.reduction == Reduction::None ? targets : DimShape{};
  return Error::Ok;
}

/// check_class_loss with the weights as input 2. Sets output 0, the loss.
inline Error infer_class_loss(InferContext& c, const ClassLossAttrs& a) {
  DimShape loss;
  GF_TRY(check_class_loss(c, a, 2, loss));
  return c.set(0, c.dtype(0), loss);
}

}  // namespace gf
