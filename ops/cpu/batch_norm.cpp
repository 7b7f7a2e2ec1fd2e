// batch_norm and batch_norm_grad in double, a block of channels per task over all rows in order. Statistics of the batch are rounded to
// the type in which they leave, so that a node that is given them gives the same bits.
#include "schema/ops/batch_norm_grad.h"

#include <cmath>

#include "ops/cpu/epilogue.h"

namespace gf::cpu {
namespace {

using Attrs = op::BatchNorm::Attrs;

constexpr int64_t kTile = 128;

/// The channels [first, first + count) of a tensor [rows, channels].
struct Channels {
  int64_t rows = 0, channels = 0, first = 0, count = 0;

  Channels(const Shape& x, int64_t task) : rows(x.count(0, x.rank - 1)), channels(x[x.rank - 1]), first(task * kTile) {
    count = channels - first < kTile ? channels - first : kTile;
  }
  void read(const TensorView& t, int64_t row, double* to) const { load(t, row * channels + first, count, to); }
  void write(const TensorView& t, int64_t row, const double* from) const { store(t, row * channels + first, count, from); }
  /// f(row values) for each row of t.
  template <class F>
  void each_row(const TensorView& t, F&& f) const {
    double tile[kTile];
    for (int64_t row = 0; row < rows; ++row) {
      read(t, row, tile);
      f(row, tile);
    }
  }
};

int64_t tasks_of(const Shape& x) { return (x[x.rank - 1] + kTile - 1) / kTile; }
double rounded(DType t, double v) { return t == DType::F64 ? v : static_cast<double>(static_cast<float>(v)); }

void statistics(const Channels& c, const TensorView& x, double* mean, double* var) {
  for (int64_t k = 0; k < c.count; ++k) mean[k] = var[k] = 0;
  const auto n = static_cast<double>(c.rows);
  c.each_row(x, [&](int64_t, const double* v) {
    add_scaled(mean, 1, v, c.count);
  });
  for (int64_t k = 0; k < c.count; ++k) mean[k] /= n;
  c.each_row(x, [&](int64_t, const double* v) {
    for (int64_t k = 0; k < c.count; ++k) var[k] += (v[k] - mean[k]) * (v[k] - mean[k]);
  });
  for (int64_t k = 0; k < c.count; ++k) {
    mean[k] = rounded(x.dtype, mean[k]);
    var[k] = rounded(x.dtype, var[k] / n);
  }
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return prepare_epilogue<Attrs>(node, plan);
}

Error run(RunContext& context) {
  const auto& a = context.attributes<Attrs>();
  const TensorView &x = context.input(0), &y = context.output(0);
  const double low = static_cast<double>(a.activation_a), high = static_cast<double>(a.activation_b);
  context.parallel(tasks_of(x.shape), [&](int64_t task, int) {
    const Channels c(x.shape, task);
    double scale[kTile], bias[kTile], mean[kTile], var[kTile];
    c.read(context.input(1), 0, scale);
    c.read(context.input(2), 0, bias);
    if (context.has_input(3)) {
      c.read(context.input(3), 0, mean);
      c.read(context.input(4), 0, var);
    } else {
      statistics(c, x, mean, var);
      if (context.has_output(1)) c.write(context.output(1), 0, mean);
      if (context.has_output(2)) c.write(context.output(2), 0, var);
    }
    for (int64_t k = 0; k < c.count; ++k) scale[k] /= std::sqrt(var[k] + static_cast<double>(a.epsilon));
    c.each_row(x, [&](int64_t row, double* v) {
      for (int64_t k = 0; k < c.count; ++k) v[k] = built_activate(a.activation, (v[k] - mean[k]) * scale[k] + bias[k], low, high);
      c.write(y, row, v);
    });
  });
  return Error::Ok;
}

// Whether the activation lets s through: relu what is above 0, clamp its ends too (as the gradients of the ops relu and clip).
bool lets_through(const Attrs& a, double s) {
  if (a.activation == Activation::None) return true;
  if (a.activation == Activation::Relu) return !(s <= 0);
  return s >= static_cast<double>(a.activation_a) && s <= static_cast<double>(a.activation_b);
}

void gradient(const RunContext& context, const Channels& c) {
  const auto& a = context.attributes<Attrs>();
  const TensorView &x = context.input(0), &dy = context.input(4);
  double scale[kTile], bias[kTile] = {}, mean[kTile], var[kTile], r[kTile], of_bias[kTile] = {}, of_scale[kTile] = {}, g[kTile];
  c.read(context.input(1), 0, scale);
  c.read(context.input(2), 0, mean);
  c.read(context.input(3), 0, var);
  if (context.has_input(5)) c.read(context.input(5), 0, bias);
  for (int64_t k = 0; k < c.count; ++k) r[k] = std::sqrt(var[k] + static_cast<double>(a.epsilon));
  // g is dy where the activation lets through; v becomes h
  const auto each = [&](auto&& f) {
    c.each_row(x, [&](int64_t row, double* v) {
      c.read(dy, row, g);
      for (int64_t k = 0; k < c.count; ++k) {
        if (!lets_through(a, rounded(x.dtype, (v[k] - mean[k]) * (scale[k] / r[k]) + bias[k]))) g[k] = 0;
        v[k] = (v[k] - mean[k]) / r[k];
      }
      f(row, v);
    });
  };
  each([&](int64_t, const double* h) {
    for (int64_t k = 0; k < c.count; ++k) {
      of_bias[k] += g[k];
      of_scale[k] += g[k] * h[k];
    }
  });
  if (context.has_output(1)) c.write(context.output(1), 0, of_scale);
  if (context.has_output(2)) c.write(context.output(2), 0, of_bias);
  const auto n = static_cast<double>(c.rows);
  each([&](int64_t row, double* h) {
    for (int64_t k = 0; k < c.count; ++k) h[k] = scale[k] / r[k] * (g[k] - of_bias[k] / n - h[k] * of_scale[k] / n);
    c.write(context.output(0), row, h);
  });
}

Error prepare_grad(const NodeView& node, KernelPlan& plan) {
  plan.inplace_inputs = 1U | 1U << 4;
  return prepare_epilogue<Attrs>(node, plan);
}

Error run_grad(RunContext& context) {
  const Shape& x = context.input(0).shape;
  context.parallel(tasks_of(x), [&](int64_t task, int) { gradient(context, Channels(x, task)); });
  return Error::Ok;
}

}  // namespace

extern const Kernel batch_norm_kernel;
extern const Kernel batch_norm_grad_kernel;
const Kernel batch_norm_kernel{
    .op = op::BatchNorm::info.id, .name = "batch_norm_portable", .rank = 1, .prepare = prepare, .run = run};
const Kernel batch_norm_grad_kernel{
    .op = op::BatchNormGrad::info.id, .name = "batch_norm_grad_portable", .rank = 1, .prepare = prepare_grad, .run = run_grad};

}  // namespace gf::cpu
