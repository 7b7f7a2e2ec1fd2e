// What the decompositions of matrices share: a matrix of a batch as float64 columns, one behind the other, and plane rotations of them.
// Plain functions on caller memory: no heap, any thread.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/cpu/op_util.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {

/// Columns of matrix `index` of x [..., rows, cols].
inline void load_columns(const TensorView& x, int64_t index, int64_t rows, int64_t cols, double* to) {
  for (int64_t j = 0; j < cols; ++j) load(x, index * rows * cols + j, cols, rows, to + j * rows);
}
/// The first `rows` elements of `cols` columns, which begin `length` apart, as matrix `index` of y; `row`: room for a row.
inline void store_columns(TensorView& y, int64_t index, int64_t rows, int64_t cols, const double* from, int64_t length, double* row) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) row[j] = from[j * length + i];
    store(y, (index * rows + i) * cols, cols, row);
  }
}
/// Columns as the rows of a matrix [count, length].
inline void store_as_rows(TensorView& y, int64_t index, int64_t length, int64_t count, const double* from) {
  store(y, index * length * count, length * count, from);
}

inline void set_identity(double* m, int64_t n) {
  for (int64_t i = 0; i < n * n; ++i) m[i] = i / n == i % n ? 1 : 0;
}

inline void swap_ranges(double* a, double* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double t = a[i];
    a[i] = b[i];
    b[i] = t;
  }
}

/// Divides by a power of two, which it returns, so that the largest magnitude is about 1 and squares neither overflow nor vanish; NaN
/// where an element is not finite.
inline double scale_to_one(double* m, int64_t count) {
  double most = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(m[i])) return std::numeric_limits<double>::quiet_NaN();
    if (std::fabs(m[i]) > most) most = std::fabs(m[i]);
  }
  if (most == 0) return 1;
  int exponent = 0;
  (void)std::frexp(most, &exponent);
  exponent = exponent > 1000 ? 1000 : (exponent < -1022 ? -1022 : exponent);  // 1 / factor is finite too
  const double factor = std::ldexp(1.0, exponent);
  scale(m, 1 / factor, count);
  return factor;
}

/// A rotation of two columns: (a, b) becomes (c a - s b, s a + c b).
struct Rotation {
  double c = 1, s = 0, t = 0;

  /// The one that makes the off-diagonal element of [[p, g], [g, q]] vanish (Golub & Van Loan, 8.5.2): the smaller of the two angles.
  Rotation(double p, double q, double g) {
    const double tau = (q - p) / (2 * g);
    t = (tau >= 0 ? 1 : -1) / (std::fabs(tau) + std::sqrt(1 + tau * tau));
    c = 1 / std::sqrt(1 + t * t);
    s = t * c;
  }
  void apply(double* a, double* b, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) {
      const double x = a[i], y = b[i];
      a[i] = c * x - s * y;
      b[i] = s * x + c * y;
    }
  }
};

/// Whether the component of largest magnitude, the first of such, is negative.
inline bool largest_is_negative(const double* v, int64_t n) {
  int64_t at = 0;
  for (int64_t i = 1; i < n; ++i)
    if (std::fabs(v[i]) > std::fabs(v[at])) at = i;
  return v[at] < 0;
}

/// Sweeps of Jacobi's methods converge quadratically, in 6 to 10; this is what ends them if data ever defy that.
inline constexpr int kMaxSweeps = 64;

inline uint64_t doubles(int64_t count) { return sizeof(double) * static_cast<uint64_t>(count); }

}  // namespace gf::cpu
