// matmul in readable form: four rows by 128 columns at a time, sums over the inner axis in double (integers: modulo
// 2^64) in index order, rounded once. Any strides, any element type.
#include "schema/ops/matmul.h"

#include <utility>

#include "ops/cpu/epilogue.h"
#include "ops/cpu/matrix_stack.h"

namespace gf::cpu {

MatrixStack::MatrixStack(const Shape& s, bool transposed, bool vector_is_row) {
  if (s.rank == 1) {
    (vector_is_row ? cols : rows) = s[0];
    (vector_is_row ? col_stride : row_stride) = 1;
    return;
  }
  rows = s[s.rank - 2];
  cols = s[s.rank - 1];
  row_stride = cols;
  col_stride = 1;
  if (transposed) {
    std::swap(rows, cols);
    std::swap(row_stride, col_stride);
  }
  batch.rank = s.rank - 2;
  for (int d = 0; d < batch.rank; ++d) batch[d] = s[d];
}

BroadcastWalk<2> walk_pairs(const MatrixStack& left, const MatrixStack& right) {
  const Shape &a = left.batch, &b = right.batch;
  Shape all;
  all.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int d = 0; d < all.rank; ++d) {
    const int i = d - (all.rank - a.rank), j = d - (all.rank - b.rank);
    const int64_t x = i < 0 ? 1 : a[i], y = j < 0 ? 1 : b[j];
    all[d] = x == 1 ? y : x;
  }
  BroadcastWalk<2> walk;
  const Shape* shapes[2] = {&a, &b};
  walk.init(all, shapes);
  return walk;
}

namespace {

constexpr int64_t kRows = 4, kColumns = Epilogue::kPiece, kDepth = 64;

// Sums of rows [row, row + rows) times columns [column, column + columns) of one product.
template <class C>
void tile(Precision precision, const TensorView& a, const MatrixStack& left, int64_t a_first, const TensorView& b, const MatrixStack& right,
          int64_t b_first, int64_t row, int64_t rows, int64_t column, int64_t columns, C (&sums)[kRows][kColumns]) {
  C av[kRows][kDepth], bv[kColumns];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k) sums[r][k] = 0;
  for (int64_t from = 0; from < left.cols; from += kDepth) {
    const int64_t depth = left.cols - from < kDepth ? left.cols - from : kDepth;
    for (int64_t r = 0; r < rows; ++r)
      load_operand(precision, a, a_first + (row + r) * left.row_stride + from * left.col_stride, left.col_stride, depth, av[r]);
    for (int64_t d = 0; d < depth; ++d) {
      load_operand(precision, b, b_first + (from + d) * right.row_stride + column * right.col_stride, right.col_stride, columns, bv);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < columns; ++k) sums[r][k] += av[r][d] * bv[k];
    }
  }
}

// C: double, or uint64_t, which serves signed and unsigned.
template <class C>
Error multiply(RunContext& c) {
  const auto& attrs = c.attributes<op::MatMul::Attrs>();
  const TensorView &a = c.input(0), &b = c.input(1);
  TensorView& y = c.output(0);
  const MatrixStack left(a.shape, attrs.transpose_a, true), right(b.shape, attrs.transpose_b, false);
  const Epilogue epilogue(c, attrs);
  const BroadcastWalk<2> batches = walk_pairs(left, right);
  const int64_t blocks = (left.rows + kRows - 1) / kRows;
  c.parallel(batches.count * blocks, [&](int64_t task, int) {
    const int64_t n = task / blocks, row = task % blocks * kRows;
    const int64_t rows = left.rows - row < kRows ? left.rows - row : kRows;
    const BroadcastCursor at = batches.cursor(n, n + 1);
    C sums[kRows][kColumns];
    for (int64_t column = 0; column < right.cols; column += kColumns) {
      const int64_t columns = right.cols - column < kColumns ? right.cols - column : kColumns;
      tile(attrs.precision, a, left, at.offsets[0] * left.rows * left.cols, b, right, at.offsets[1] * right.rows * right.cols, row, rows,
              column, columns, sums);
      for (int64_t r = 0; r < rows; ++r)
        epilogue.finish(y, (n * left.rows + row + r) * right.cols + column, column, columns, sums[r]);
    }
  });
  return Error::Ok;
}

Error run(RunContext& c) {
  if (c.output(0).count() == 0) return Error::Ok;
  if (dtype_is_float(c.output(0).dtype)) return multiply<double>(c);
  return dispatch_built<uint64_t, kInts>([&]<class C>() { return multiply<C>(c); });
}

}  // namespace

extern const Kernel matmul_kernel;
const Kernel matmul_kernel{
    .op = op::MatMul::info.id, .name = "matmul_portable", .rank = 1, .prepare = prepare_epilogue<op::MatMul::Attrs>, .run = run};

}  // namespace gf::cpu
