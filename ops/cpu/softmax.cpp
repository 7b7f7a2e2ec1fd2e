// Softmax, its logarithm and hardmax along an axis: three passes over a line (largest element, sum, result), sums in f64.
// A line with +inf gives NaN, as the formula does; a line of -inf alone likewise.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "schema/ops/hardmax.h"
#include "schema/ops/log_softmax.h"
#include "schema/ops/softmax.h"

namespace gf::cpu {
namespace {

enum class Form { Softmax, LogSoftmax, Hardmax };
constexpr int64_t kTile = 128;

// Lines of `length` elements that lie `inner` apart, `lanes` neighbouring ones at a time.
struct Lines {
  const TensorView& x;
  const TensorView& y;
  int64_t base, length, inner, lanes;

  void read(int64_t k, double* tile) const { load(x, base + k * inner, lanes, tile); }
  void write(int64_t k, const double* tile) const { store(y, base + k * inner, lanes, tile); }
};

void soft_lines(const Lines& l, Form form) {
  double peak[kTile], sum[kTile], tile[kTile];
  for (int64_t j = 0; j < l.lanes; ++j) {
    peak[j] = -std::numeric_limits<double>::infinity();
    sum[j] = 0;
  }
  for (int64_t k = 0; k < l.length; ++k) {
    l.read(k, tile);
    for (int64_t j = 0; j < l.lanes; ++j)
      if (tile[j] > peak[j] || tile[j] != tile[j]) peak[j] = tile[j];
  }
  for (int64_t k = 0; k < l.length; ++k) {
    l.read(k, tile);
    for (int64_t j = 0; j < l.lanes; ++j) sum[j] += std::exp(tile[j] - peak[j]);
  }
  for (int64_t j = 0; j < l.lanes; ++j) sum[j] = form == Form::LogSoftmax ? std::log(sum[j]) : 1.0 / sum[j];
  for (int64_t k = 0; k < l.length; ++k) {
    l.read(k, tile);
    for (int64_t j = 0; j < l.lanes; ++j)
      tile[j] = form == Form::LogSoftmax ? tile[j] - peak[j] - sum[j] : std::exp(tile[j] - peak[j]) * sum[j];
    l.write(k, tile);
  }
}

void hard_lines(const Lines& l) {
  double peak[kTile], tile[kTile];
  int64_t index[kTile] = {};
  for (int64_t k = 0; k < l.length; ++k) {
    l.read(k, tile);
    for (int64_t j = 0; j < l.lanes; ++j) {
      if (k != 0 && !(tile[j] > peak[j])) continue;
      peak[j] = tile[j];
      index[j] = k;
    }
  }
  for (int64_t k = 0; k < l.length; ++k) {
    for (int64_t j = 0; j < l.lanes; ++j) tile[j] = index[j] == k ? 1.0 : 0.0;
    l.write(k, tile);
  }
}

template <Form kForm>
Error run(RunContext& context) {
  const auto& a = context.attributes<op::Softmax::Attrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const AxisView v = x.shape.rank == 0 ? AxisView{} : axis_view(x.shape, wrap_axis(a.axis, x.shape.rank));
  context.parallel.chunks(v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t line = begin; line < end;) {
      int64_t lanes = v.inner - line % v.inner;
      lanes = lanes < end - line ? lanes : end - line;
      lanes = lanes < kTile ? lanes : kTile;
      const Lines lines{x, y, line / v.inner * v.length * v.inner + line % v.inner, v.length, v.inner, lanes};
      if constexpr (kForm == Form::Hardmax) hard_lines(lines);
      else soft_lines(lines, kForm);
      line += lanes;
    }
  });
  return Error::Ok;
}

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;  // the last pass reads an element just before it writes it
  return Error::Ok;
}

}  // namespace

static_assert(sizeof(op::Softmax::Attrs) == sizeof(op::LogSoftmax::Attrs) &&
              sizeof(op::Softmax::Attrs) == sizeof(op::Hardmax::Attrs));

extern const Kernel softmax_kernel;
extern const Kernel log_softmax_kernel;
extern const Kernel hardmax_kernel;
const Kernel softmax_kernel{
    .op = op::Softmax::info.id, .name = "softmax_portable", .rank = 1, .prepare = prepare, .run = run<Form::Softmax>};
const Kernel log_softmax_kernel{.op = op::LogSoftmax::info.id, .name = "log_softmax_portable", .rank = 1,
                                .prepare = prepare, .run = run<Form::LogSoftmax>};
const Kernel hardmax_kernel{
    .op = op::Hardmax::info.id, .name = "hardmax_portable", .rank = 1, .prepare = prepare, .run = run<Form::Hardmax>};

}  // namespace gf::cpu
