// inverse: Gauss-Jordan elimination with partial pivoting (Golub & Van Loan, 3.4), in f64.
#include "schema/ops/inverse.h"

#include <cmath>
#include <utility>

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& s = node.input(0).shape;
  plan.scratch_bytes_per_worker = 2 * sizeof(double) * static_cast<uint64_t>(s[s.rank - 1]) * static_cast<uint64_t>(s[s.rank - 2]);
  return Error::Ok;
}

// m becomes the identity, what is done to it makes `result` the inverse
void invert(double* m, double* result, int64_t n) {
  for (int64_t i = 0; i < n * n; ++i) result[i] = i / n == i % n ? 1 : 0;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t r = k + 1; r < n; ++r)
      if (std::fabs(m[r * n + k]) > std::fabs(m[pivot * n + k])) pivot = r;
    for (double* rows : {m, result})
      for (int64_t j = 0; pivot != k && j < n; ++j) std::swap(rows[k * n + j], rows[pivot * n + j]);
    if (m[k * n + k] == 0) m[k * n + k] = 0x1p-52;
    const double scale = 1 / m[k * n + k];
    for (int64_t j = 0; j < n; ++j) {
      m[k * n + j] *= scale;
      result[k * n + j] *= scale;
    }
    for (int64_t r = 0; r < n; ++r) {
      const double factor = m[r * n + k];
      if (r == k || factor == 0) continue;
      for (int64_t j = 0; j < n; ++j) {
        m[r * n + j] -= factor * m[k * n + j];
        result[r * n + j] -= factor * result[k * n + j];
      }
    }
  }
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t n = x.shape[x.shape.rank - 1];
  if (y.count() == 0) return Error::Ok;
  c.parallel(y.count() / (n * n), [&](int64_t i, int worker) {
    auto* m = c.scratch_of<double>(worker);
    load(x, i * n * n, n * n, m);
    invert(m, m + n * n, n);
    store(y, i * n * n, n * n, m + n * n);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel inverse_kernel;
const Kernel inverse_kernel{.op = op::Inverse::info.id, .name = "inverse_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
