// cholesky: column by column (Golub & Van Loan, algorithm 4.2.1), in f64.
#include "schema/ops/cholesky.h"

#include "ops/cpu/columns.h"

namespace gf::cpu {
namespace {

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& s = node.input(0).shape;
  plan.scratch_bytes_per_worker = doubles(s[s.rank - 1] * s[s.rank - 2]);
  return Error::Ok;
}

// Rows in place; the number of the pivot that is not positive, or -1.
int64_t factor(double* m, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    const double pivot = m[j * n + j] - dot(m + j * n, m + j * n, j);
    if (!(pivot > 0) || !std::isfinite(pivot)) return j;
    m[j * n + j] = std::sqrt(pivot);
    for (int64_t i = j + 1; i < n; ++i) m[i * n + j] = (m[i * n + j] - dot(m + i * n, m + j * n, j)) / m[j * n + j];
    for (int64_t i = 0; i < j; ++i) m[i * n + j] = 0;
  }
  return -1;
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t n = x.shape[x.shape.rank - 1];
  if (y.count() == 0) return Error::Ok;
  FirstError failed;  // by pivot, counted through all matrices
  c.parallel(y.count() / (n * n), [&](int64_t i, int worker) {
    auto* m = c.scratch_of<double>(worker);
    load(x, i * n * n, n * n, m);
    if (const int64_t bad = factor(m, n); bad >= 0) failed.set(i * n + bad, Error::BadData);
    store(y, i * n * n, n * n, m);
  });
  if (!failed.any()) return Error::Ok;
  const int64_t bad = failed.task();
  return GF_FAIL(c.detail, Error::BadData, c.node, "cholesky: matrix %lld is not positive definite: its leading minor of order %lld is not above 0",
                 static_cast<long long>(bad / n), static_cast<long long>(bad % n + 1));
}

}  // namespace

extern const Kernel cholesky_kernel;
const Kernel cholesky_kernel{.op = op::Cholesky::info.id, .name = "cholesky_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
