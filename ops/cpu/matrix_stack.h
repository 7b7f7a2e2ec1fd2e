// The operands of matrix products: stacks of matrices that broadcast over their leading axes.
#pragma once

#include "ops/cpu/op_util.h"

namespace gf::cpu {

/// A stack of matrices: element (r, c) of matrix m is at m * rows * cols + r * row_stride + c * col_stride.
struct MatrixStack {
  int64_t rows = 1, cols = 1, row_stride = 0, col_stride = 0;
  Shape batch;  ///< leading axes

  /// A vector is a row or a column.
  MatrixStack(const Shape& s, bool transposed, bool vector_is_row);
};

/// The pairs of matrices that are multiplied.
BroadcastWalk<2> walk_pairs(const MatrixStack& left, const MatrixStack& right);

}  // namespace gf::cpu
