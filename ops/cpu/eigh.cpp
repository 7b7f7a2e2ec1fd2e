// eigh: Jacobi's method, cyclic by rows (Golub & Van Loan, algorithm 8.5.3), in f64.
#include "schema/ops/eigh.h"

#include "ops/cpu/columns.h"

namespace gf::cpu {
namespace {

// the matrix, its eigenvectors as columns, the eigenvalues, a row
Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& s = node.input(0).shape;
  const int64_t n = s[s.rank - 1];
  plan.scratch_bytes_per_worker = doubles(2 * n * n + 2 * n);
  return Error::Ok;
}

// The symmetric matrix a, of magnitude 1, becomes diagonal; columns of v turn along.
void diagonalise(double* a, double* v, int64_t n) {
  constexpr double kNothing = 0x1p-55;  // of the largest element: below its rounding
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    bool turned = false;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) {
        const double g = a[p * n + q];
        if (!(std::fabs(g) > kNothing)) continue;
        turned = true;
        const double pp = a[p * n + p], qq = a[q * n + q];
        const Rotation r(pp, qq, g);
        r.apply(a + p * n, a + q * n, n);
        for (int64_t k = 0; k < n; ++k) {  // the matrix stays symmetric: rows p and q are its columns too
          a[k * n + p] = a[p * n + k];
          a[k * n + q] = a[q * n + k];
        }
        a[p * n + p] = pp - r.t * g;
        a[q * n + q] = qq + r.t * g;
        a[p * n + q] = a[q * n + p] = 0;
        r.apply(v + p * n, v + q * n, n);
      }
    if (!turned) return;
  }
}

void sort_rising(double* values, double* v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t least = i;
    for (int64_t k = i + 1; k < n; ++k)
      if (values[k] < values[least]) least = k;
    if (least == i) continue;
    swap_ranges(values + i, values + least, 1);
    swap_ranges(v + i * n, v + least * n, n);
  }
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  const int64_t n = x.shape[x.shape.rank - 1];
  if (x.count() == 0) return Error::Ok;
  c.parallel(x.count() / (n * n), [&](int64_t i, int worker) {
    auto* a = c.scratch_of<double>(worker);
    double *v = a + n * n, *values = v + n * n, *row = values + n;
    load(x, i * n * n, n * n, a);
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = k + 1; j < n; ++j) a[k * n + j] = a[j * n + k];
    const double factor = scale_to_one(a, n * n);
    set_identity(v, n);
    if (!std::isnan(factor)) diagonalise(a, v, n);
    for (int64_t k = 0; k < n; ++k) values[k] = a[k * n + k] * factor;
    if (std::isnan(factor)) scale(v, factor, n * n);
    sort_rising(values, v, n);
    for (int64_t k = 0; k < n; ++k)
      if (largest_is_negative(v + k * n, n)) scale(v + k * n, -1, n);
    if (c.has_output(0)) store(c.output(0), i * n, n, values);
    if (c.has_output(1)) store_columns(c.output(1), i, n, n, v, n, row);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel eigh_kernel;
const Kernel eigh_kernel{.op = op::Eigh::info.id, .name = "eigh_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
