// matmul_integer and qlinear_matmul: int8/uint8 matrices with zero points, int32 sums (wrapping), optionally requantised.
#include "schema/ops/matmul_integer.h"

#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/qlinear_matmul.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 256;

/// Matrices of one product and where batch n finds them.
struct Product {
  int64_t rows = 1, depth = 1, cols = 1;
  BroadcastWalk<2> batches;   // over matrices

  Product(const Shape& a, const Shape& b) {
    rows = a.rank > 1 ? a[a.rank - 2] : 1;
    depth = a[a.rank - 1];
    cols = b.rank > 1 ? b[b.rank - 1] : 1;
    Shape left, right, all;
    left.rank = a.rank > 2 ? a.rank - 2 : 0;
    right.rank = b.rank > 2 ? b.rank - 2 : 0;
    for (int d = 0; d < left.rank; ++d) left[d] = a[d];
    for (int d = 0; d < right.rank; ++d) right[d] = b[d];
    all.rank = left.rank > right.rank ? left.rank : right.rank;
    for (int d = 0; d < all.rank; ++d) {
      const int i = d - (all.rank - left.rank), j = d - (all.rank - right.rank);
      const int64_t x = i < 0 ? 1 : left[i], y = j < 0 ? 1 : right[j];
      all[d] = x == 1 ? y : x;
    }
    const Shape* shapes[2] = {&left, &right};
    batches.init(all, shapes);
  }
};

int32_t byte_at(const TensorView& t, int64_t k) {
  return t.dtype == DType::I8 ? static_cast<int32_t>(static_cast<const int8_t*>(t.data)[k])
                              : static_cast<int32_t>(static_cast<const uint8_t*>(t.data)[k]);
}
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

// f(position in the output, row, first column, count, sums) for pieces of output rows.
template <class F>
void multiply(const RunContext& c, const TensorView& a, const TensorView& b, const TensorView* a_zero,
              const TensorView* b_zero, F&& f) {
  const Product p(a.shape, b.shape);
  p.batches.runs(0, p.batches.count, [&](int64_t n, const int64_t* offsets, int64_t length) {
    for (int64_t j = 0; j < length; ++j) {
      const int64_t am = offsets[0] + j * p.batches.strides[0][p.batches.rank - 1];
      const int64_t bm = offsets[1] + j * p.batches.strides[1][p.batches.rank - 1];
      c.parallel(p.rows, [&](int64_t row, int) {
        const int32_t za = zero_at(a_zero, am, row, p.rows);
        for (int64_t from = 0; from < p.cols; from += kPiece) {
          const int64_t count = p.cols - from < kPiece ? p.cols - from : kPiece;
          uint32_t sums[kPiece] = {};
          int32_t zb[kPiece];
          for (int64_t k = 0; k < count; ++k) zb[k] = zero_at(b_zero, bm, from + k, p.cols);
          for (int64_t d = 0; d < p.depth; ++d) {
            const int32_t va = byte_at(a, (am * p.rows + row) * p.depth + d) - za;
            const int64_t at = (bm * p.depth + d) * p.cols + from;
            for (int64_t k = 0; k < count; ++k)
              sums[k] += static_cast<uint32_t>(va) * static_cast<uint32_t>(byte_at(b, at + k) - zb[k]);
          }
          f(((n + j) * p.rows + row) * p.cols + from, row, from, count, sums);
        }
      });
    }
  });
}

Error run_integer(RunContext& c) {
  auto* y = c.output(0).as<int32_t>();
  const TensorView* a_zero = c.has_input(2) ? &c.input(2) : nullptr;
  const TensorView* b_zero = c.has_input(3) ? &c.input(3) : nullptr;
  if (c.output(0).count() == 0) return Error::Ok;
  multiply(c, c.input(0), c.input(1), a_zero, b_zero,
           [y](int64_t at, int64_t, int64_t, int64_t count, const uint32_t* sums) {
             for (int64_t k = 0; k < count; ++k) y[at + k] = static_cast<int32_t>(sums[k]);
           });
  return Error::Ok;
}

Error run_qlinear(RunContext& c) {
  const TensorView &a_scale = c.input(1), &b_scale = c.input(4);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const float y_scale = load_one<float>(c.input(6), 0);
  const int64_t y_zero = load_one<int64_t>(c.input(7), 0), low = quant_low(y.dtype), high = quant_high(y.dtype);
  multiply(c, c.input(0), c.input(3), &c.input(2), &c.input(5),
           [&](int64_t at, int64_t row, int64_t from, int64_t count, const uint32_t* sums) {
             const float sa = load_one<float>(a_scale, a_scale.count() == 1 ? 0 : row);
             int64_t q[kPiece];
             for (int64_t k = 0; k < count; ++k) {
               const float sb = load_one<float>(b_scale, b_scale.count() == 1 ? 0 : from + k);
               const float v = std::nearbyint(static_cast<float>(static_cast<int32_t>(sums[k])) * (sa * sb / y_scale));
               q[k] = add_clamped(saturating_to_int<int64_t>(v), y_zero, low, high);
             }
             store(y, at, count, q);
           });
  return Error::Ok;
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
