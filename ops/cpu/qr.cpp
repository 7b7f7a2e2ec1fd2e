// qr: Householder reflections (Golub & Van Loan, algorithm 5.2.1), in f64; then signs turned so that the diagonal of R is not negative.
#include "schema/ops/qr.h"

#include "ops/cpu/columns.h"

namespace gf::cpu {
namespace {

int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

// columns of A, columns of Q, a number per reflection, a row
Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& s = node.input(0).shape;
  const int64_t m = s[s.rank - 2], n = s[s.rank - 1], k = lesser(m, n);
  plan.scratch_bytes_per_worker = doubles(m * n + m * k + k + n);
  return Error::Ok;
}

// v becomes v - tau (h . v) h with h = (1, tail), tail being `rest` elements.
void reflect(double* v, const double* tail, double tau, int64_t rest) {
  const double product = tau * (v[0] + dot(v + 1, tail, rest));
  v[0] -= product;
  add_scaled(v + 1, -product, tail, rest);
}

// a: R in the upper triangle, the tails of the reflections below it.
void factor(double* a, double* tau, int64_t m, int64_t n) {
  for (int64_t j = 0; j < lesser(m, n); ++j) {
    double* v = a + j * m + j;
    const int64_t rest = m - j - 1;
    const double tail = dot(v + 1, v + 1, rest);
    tau[j] = 0;
    if (tail == 0) continue;
    const double beta = -std::copysign(std::sqrt(v[0] * v[0] + tail), v[0]);
    tau[j] = (beta - v[0]) / beta;
    scale(v + 1, 1 / (v[0] - beta), rest);
    v[0] = beta;
    for (int64_t c = j + 1; c < n; ++c) reflect(a + c * m + j, v + 1, tau[j], rest);
  }
}

// The product of the reflections on the first k unit vectors.
void accumulate(const double* a, const double* tau, double* q, int64_t m, int64_t k) {
  for (int64_t i = 0; i < m * k; ++i) q[i] = i / m == i % m ? 1 : 0;
  for (int64_t j = k; j-- > 0;)
    for (int64_t c = j; c < k; ++c) reflect(q + c * m + j, a + j * m + j + 1, tau[j], m - j - 1);
}

// R alone in a, with its signs.
void finish(double* a, double* q, int64_t m, int64_t n, int64_t k) {
  for (int64_t c = 0; c < n; ++c)
    for (int64_t i = c + 1; i < m; ++i) a[c * m + i] = 0;
  for (int64_t j = 0; j < k; ++j) {
    if (!(a[j * m + j] < 0)) continue;
    scale(q + j * m, -1, m);
    for (int64_t c = j; c < n; ++c) a[c * m + j] = -a[c * m + j];
  }
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  const int64_t m = x.shape[x.shape.rank - 2], n = x.shape[x.shape.rank - 1], k = lesser(m, n);
  if (x.count() == 0) return Error::Ok;
  c.parallel(x.count() / (m * n), [&](int64_t i, int worker) {
    auto* a = c.scratch_of<double>(worker);
    double *q = a + m * n, *tau = q + m * k, *row = tau + k;
    load_columns(x, i, m, n, a);
    const double factor_of_two = scale_to_one(a, m * n);
    factor(a, tau, m, n);
    accumulate(a, tau, q, m, k);
    finish(a, q, m, n, k);
    scale(a, factor_of_two, m * n);  // NaN everywhere when the matrix is not finite
    if (std::isnan(factor_of_two)) scale(q, factor_of_two, m * k);
    if (c.has_output(0)) store_columns(c.output(0), i, m, k, q, m, row);
    if (c.has_output(1)) store_columns(c.output(1), i, k, n, a, m, row);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel qr_kernel;
const Kernel qr_kernel{.op = op::Qr::info.id, .name = "qr_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
