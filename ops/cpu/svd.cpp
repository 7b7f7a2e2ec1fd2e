// svd: one-sided Jacobi (Hestenes 1958; Golub & Van Loan, 8.6.3), in f64: rotations make the columns of the matrix, or of its transpose
// where that is the taller one, orthogonal; their lengths are the singular values.
#include "schema/ops/svd.h"

#include "ops/cpu/columns.h"

namespace gf::cpu {
namespace {

// A matrix [rows, cols] with rows >= cols as columns w, the rotations as columns v, the singular values.
struct Factors {
  double *w, *v, *s, *row;
  int64_t rows, cols;
};

struct Size {
  int64_t rows, cols;
  explicit Size(const Shape& s) : rows(s[s.rank - 2]), cols(s[s.rank - 1]) {}
  int64_t tall() const { return rows < cols ? cols : rows; }
  int64_t narrow() const { return rows < cols ? rows : cols; }
};

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Size size(node.input(0).shape);
  plan.scratch_bytes_per_worker = doubles(size.rows * size.cols + size.narrow() * size.narrow() + size.narrow() + size.tall());
  return Error::Ok;
}

// Columns shorter than this part of the whole matrix are rounding: their directions mean nothing.
constexpr double kRounding = 0x1p-52;

void orthogonalise(const Factors& f) {
  const double nothing = kRounding * kRounding * dot(f.w, f.w, f.rows * f.cols);
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    bool turned = false;
    for (int64_t p = 0; p < f.cols; ++p)
      for (int64_t q = p + 1; q < f.cols; ++q) {
        double *a = f.w + p * f.rows, *b = f.w + q * f.rows;
        const double aa = dot(a, a, f.rows), bb = dot(b, b, f.rows), ab = dot(a, b, f.rows);
        if (!(aa > nothing && bb > nothing) || !(std::fabs(ab) > kRounding * std::sqrt(aa * bb))) continue;
        turned = true;
        const Rotation r(aa, bb, ab);
        r.apply(a, b, f.rows);
        r.apply(f.v + p * f.cols, f.v + q * f.cols, f.cols);
      }
    if (!turned) return;
  }
}

void sort_falling(const Factors& f) {
  for (int64_t i = 0; i < f.cols; ++i) {
    int64_t most = i;
    for (int64_t k = i + 1; k < f.cols; ++k)
      if (f.s[k] > f.s[most]) most = k;
    if (most == i) continue;
    swap_ranges(f.s + i, f.s + most, 1);
    swap_ranges(f.w + i * f.rows, f.w + most * f.rows, f.rows);
    swap_ranges(f.v + i * f.cols, f.v + most * f.cols, f.cols);
  }
}

// Column j as a unit vector orthogonal to those before it: a unit vector of the space less its parts along them (twice, for rounding). One
// of those keeps at least the mean of what they all keep, (rows - j) / rows.
void complete(const Factors& f, int64_t j) {
  double* u = f.w + j * f.rows;
  for (int64_t e = 0; e < f.rows; ++e) {
    for (int64_t i = 0; i < f.rows; ++i) u[i] = i == e ? 1 : 0;
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t k = 0; k < j; ++k) add_scaled(u, -dot(f.w + k * f.rows, u, f.rows), f.w + k * f.rows, f.rows);
    const double kept = dot(u, u, f.rows);
    if (2 * kept * static_cast<double>(f.rows) < static_cast<double>(f.rows - j)) continue;
    scale(u, 1 / std::sqrt(kept), f.rows);
    return;
  }
}

void factor(const Factors& f) {
  set_identity(f.v, f.cols);
  const double unit = scale_to_one(f.w, f.rows * f.cols);
  if (std::isnan(unit)) {
    for (int64_t i = 0; i < f.rows * f.cols; ++i) f.w[i] = unit;
    scale(f.v, unit, f.cols * f.cols);
    for (int64_t j = 0; j < f.cols; ++j) f.s[j] = unit;
    return;
  }
  orthogonalise(f);
  for (int64_t j = 0; j < f.cols; ++j) f.s[j] = std::sqrt(dot(f.w + j * f.rows, f.w + j * f.rows, f.rows));
  sort_falling(f);
  const double least = kRounding * static_cast<double>(f.rows) * f.s[0];
  for (int64_t j = 0; j < f.cols; ++j) {
    if (f.s[j] > least) scale(f.w + j * f.rows, 1 / f.s[j], f.rows);
    else complete(f, j);
    f.s[j] *= unit;
  }
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  if (x.count() == 0) return Error::Ok;
  const Size size(x.shape);
  const bool turned = size.rows < size.cols;  // the transpose is factored; its u is our v
  c.parallel(x.count() / (size.rows * size.cols), [&](int64_t i, int worker) {
    Factors f{c.scratch_of<double>(worker), nullptr, nullptr, nullptr, size.tall(), size.narrow()};
    f.v = f.w + f.rows * f.cols;
    f.s = f.v + f.cols * f.cols;
    f.row = f.s + f.cols;
    if (turned) load(x, i * f.rows * f.cols, f.rows * f.cols, f.w);
    else load_columns(x, i, f.rows, f.cols, f.w);
    factor(f);
    double *u = turned ? f.v : f.w, *v = turned ? f.w : f.v;
    for (int64_t j = 0; j < f.cols; ++j)
      if (largest_is_negative(u + j * size.rows, size.rows)) {
        scale(u + j * size.rows, -1, size.rows);
        scale(v + j * size.cols, -1, size.cols);
      }
    if (c.has_output(0)) store_columns(c.output(0), i, size.rows, f.cols, u, size.rows, f.row);
    if (c.has_output(1)) store(c.output(1), i * f.cols, f.cols, f.s);
    if (c.has_output(2)) store_as_rows(c.output(2), i, size.cols, f.cols, v);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel svd_kernel;
const Kernel svd_kernel{.op = op::Svd::info.id, .name = "svd_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
