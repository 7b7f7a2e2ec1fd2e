// det: product of the pivots of LU with partial pivoting (Golub & Van Loan, 3.4), in f64.
#include "schema/ops/det.h"

#include <cmath>
#include <utility>

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& s = node.input(0).shape;
  plan.scratch_bytes_per_worker = sizeof(double) * static_cast<uint64_t>(s[s.rank - 1]) * static_cast<uint64_t>(s[s.rank - 2]);
  return Error::Ok;
}

double determinant(double* m, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t r = k + 1; r < n; ++r)
      if (std::fabs(m[r * n + k]) > std::fabs(m[pivot * n + k])) pivot = r;
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      for (int64_t j = k; j < n; ++j) std::swap(m[k * n + j], m[pivot * n + j]);
      product = -product;
    }
    product *= m[k * n + k];
    for (int64_t r = k + 1; r < n; ++r) {
      const double factor = m[r * n + k] / m[k * n + k];
      for (int64_t j = k + 1; j < n; ++j) m[r * n + j] -= factor * m[k * n + j];
    }
  }
  return product;
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t n = x.shape[x.shape.rank - 1];
  c.parallel(y.count(), [&](int64_t i, int worker) {
    auto* m = c.scratch_of<double>(worker);
    load(x, i * n * n, n * n, m);
    store_one(y, i, determinant(m, n));
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel det_kernel;
const Kernel det_kernel{.op = op::Det::info.id, .name = "det_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
