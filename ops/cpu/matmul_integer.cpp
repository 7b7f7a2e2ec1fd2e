// matmul_integer and qlinear_matmul: int8/uint8 matrices with zero points, int32 sums (wrapping), optionally requantised.
#include "schema/ops/matmul_integer.h"

#include <cmath>

#include "ops/cpu/integer_product.h"
#include "ops/cpu/matrix_stack.h"
#include "schema/ops/qlinear_matmul.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 256;

// Zero point of line `line` (a row or a column) of matrix `matrix`: one for all, one per line, or one per line and matrix.
int32_t zero_at(const TensorView* zero, int64_t matrix, int64_t line, int64_t lines) {
  if (zero == nullptr) return 0;
  const int64_t n = zero->count();
  return byte_at(*zero, n == 1 ? 0 : (n == lines ? line : matrix * lines + line));
}

// value + zero, kept in [low, high] without overflow on the way.
int64_t add_clamped(int64_t value, int64_t zero, int64_t low, int64_t high) {
  if (value < low - zero) return low;
  return value > high - zero ? high : value + zero;
}

/// What becomes of the sums: they are the output, or with scales they are rounded to its type.
struct Requantize {
  const TensorView *a_scale = nullptr, *b_scale = nullptr;
  float y_scale = 1;
  int64_t y_zero = 0;

  // `count` sums of one row from column `from` on
  void store_sums(const TensorView& y, int64_t at, int64_t row, int64_t from, int64_t count, const uint32_t* sums) const {
    const float sa = load_one<float>(*a_scale, a_scale->count() == 1 ? 0 : row);
    int64_t q[kPiece];
    for (int64_t k = 0; k < count; ++k) {
      const float sb = load_one<float>(*b_scale, b_scale->count() == 1 ? 0 : from + k);
      const float v = std::nearbyint(static_cast<float>(static_cast<int32_t>(sums[k])) * (sa * sb / y_scale));
      q[k] = add_clamped(saturating_to_int<int64_t>(v), y_zero, quant_low(y.dtype), quant_high(y.dtype));
    }
    store(y, at, count, q);
  }
};

Error multiply(const RunContext& c, const TensorView& a, const TensorView& b, const TensorView* a_zero, const TensorView* b_zero,
               const Requantize& q) {
  const TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const MatrixStack left(a.shape, false, true), right(b.shape, false, false);
  const BroadcastWalk<2> pairs = walk_pairs(left, right);
  const int64_t depth = left.cols, cols = right.cols;
  c.parallel(pairs.count * left.rows, [&](int64_t task, int) {
    const int64_t n = task / left.rows, row = task % left.rows;
    const BroadcastCursor at = pairs.cursor(n, n + 1);
    const int32_t za = zero_at(a_zero, at.offsets[0], row, left.rows);
    for (int64_t from = 0; from < cols; from += kPiece) {
      const int64_t count = cols - from < kPiece ? cols - from : kPiece;
      uint32_t sums[kPiece] = {};
      int32_t zb[kPiece];
      for (int64_t k = 0; k < count; ++k) zb[k] = zero_at(b_zero, at.offsets[1], from + k, cols);
      for (int64_t d = 0; d < depth; ++d) {
        const int32_t va = byte_at(a, (at.offsets[0] * left.rows + row) * depth + d) - za;
        const int64_t first = (at.offsets[1] * depth + d) * cols + from;
        for (int64_t k = 0; k < count; ++k) sums[k] += static_cast<uint32_t>(va) * static_cast<uint32_t>(byte_at(b, first + k) - zb[k]);
      }
      if (q.a_scale != nullptr) q.store_sums(y, task * cols + from, row, from, count, sums);
      else std::memcpy(y.as<int32_t>() + task * cols + from, sums, static_cast<size_t>(count) * sizeof(int32_t));
    }
  });
  return Error::Ok;
}

Error run_integer(RunContext& c) { return multiply(c, c.input(0), c.input(1), input_or_null(c, 2), input_or_null(c, 3), {}); }

Error run_qlinear(RunContext& c) {
  const Requantize q{&c.input(1), &c.input(4), load_one<float>(c.input(6), 0), load_one<int64_t>(c.input(7), 0)};
  return multiply(c, c.input(0), c.input(3), &c.input(2), &c.input(5), q);
}

}  // namespace

extern const Kernel matmul_integer_kernel, qlinear_matmul_kernel;
const Kernel matmul_integer_kernel{.op = op::MatMulInteger::info.id,
                                   .name = "matmul_integer_portable",
                                   .rank = 1,
                                   .prepare = prepare_any,
                                   .run = run_integer};
const Kernel qlinear_matmul_kernel{.op = op::QLinearMatMul::info.id,
                                   .name = "qlinear_matmul_portable",
                                   .rank = 1,
                                   .prepare = prepare_any,
                                   .run = run_qlinear};

}  // namespace gf::cpu
