// layer_norm_grad in double: dx row by row, then dscale and dbias, a block of columns per task over all rows in order.
#include "ops/cpu/op_util.h"
#include "schema/ops/layer_norm_grad.h"

namespace gf::cpu {
namespace {

constexpr int64_t kTile = 128;

struct RowNormGradient {
  const TensorView &x, &scale, &inverse, &dy;
  const TensorView* mean;
  int64_t rows, length;

  explicit RowNormGradient(const RunContext& c)
      : x(c.input(0)), scale(c.input(1)), inverse(c.input(2)), dy(c.input(3)), mean(c.has_input(4) ? &c.input(4) : nullptr) {
    const int axis = wrap_axis(c.attributes<op::LayerNormGrad::Attrs>().axis, x.shape.rank);
    rows = x.shape.count(0, axis);
    length = x.shape.count(axis, x.shape.rank);
  }
  // f(count, h, dy) for columns [at, at + count), count <= kTile
  template <class F>
  void tile(int64_t row, int64_t at, int64_t end, F&& f) const {
    double h[kTile], g[kTile];
    const double centre = mean == nullptr ? 0 : load_one<double>(*mean, row), r = load_one<double>(inverse, row);
    const int64_t count = end - at < kTile ? end - at : kTile;
    load(x, row * length + at, count, h);
    load(dy, row * length + at, count, g);
    for (int64_t k = 0; k < count; ++k) h[k] = (h[k] - centre) * r;
    f(count, h, g);
  }
  void dx_of_row(int64_t row, const TensorView& dx) const {
    const double r = load_one<double>(inverse, row), n = static_cast<double>(length);
    double of_g = 0, of_gh = 0, s[kTile];
    for (int64_t at = 0; at < length; at += kTile)
      tile(row, at, length, [&](int64_t count, const double* h, const double* g) {
        load(scale, at, count, s);
        for (int64_t k = 0; k < count; ++k) {
          of_g += g[k] * s[k];
          of_gh += g[k] * s[k] * h[k];
        }
      });
    if (mean == nullptr) of_g = 0;
    for (int64_t at = 0; at < length; at += kTile)
      tile(row, at, length, [&](int64_t count, const double* h, double* g) {
        load(scale, at, count, s);
        for (int64_t k = 0; k < count; ++k) g[k] = r * (g[k] * s[k] - of_g / n - h[k] * of_gh / n);
        store(dx, row * length + at, count, g);
      });
  }
};

Error run(RunContext& c) {
  const RowNormGradient n(c);
  c.parallel.chunks(n.rows, row_grain(n.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) n.dx_of_row(row, c.output(0));
  });
  if (!c.has_output(1) && !c.has_output(2)) return Error::Ok;
  c.parallel((n.length + kTile - 1) / kTile, [&](int64_t task, int) {
    double of_scale[kTile] = {}, of_bias[kTile] = {};
    const int64_t at = task * kTile;
    for (int64_t row = 0; row < n.rows; ++row)
      n.tile(row, at, n.length, [&](int64_t count, const double* h, const double* g) {
        for (int64_t k = 0; k < count; ++k) {
          of_scale[k] += g[k] * h[k];
          of_bias[k] += g[k];
        }
      });
    const int64_t width = n.length - at < kTile ? n.length - at : kTile;
    if (c.has_output(1)) store(c.output(1), at, width, of_scale);
    if (c.has_output(2)) store(c.output(2), at, width, of_bias);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel layer_norm_grad_kernel;
const Kernel layer_norm_grad_kernel{
    .op = op::LayerNormGrad::info.id, .name = "layer_norm_grad_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
