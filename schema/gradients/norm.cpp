// Gradients of normalisations and softmax. Statistics are optional outputs of the node; since they can be read, and are when a
// gradient is differentiated again, rules serve their gradients too.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

struct Axes {
  int64_t list[kMaxRank];
  size_t count = 0;
  void push(int64_t axis) { list[count++] = axis; }
  operator IntList() const { return IntList(list, count); }  // NOLINT: reads as the list it is
};
Axes axes_from(int64_t axis, int rank) {
  Axes axes;
  for (int64_t k = axis < 0 ? axis + rank : axis; k < rank; ++k) axes.push(k);
  return axes;
}

// One normalised tensor: h = (x - mean) * inverse over `axes`, y = h * scale + bias. Everything broadcasts against x.
struct Normalised {
  D& d;
  Var x, mean, inverse;
  IntList axes;

  Var h() const { return (mean ? x - mean : x) * inverse; }
  /// dx from g, the gradient of h, and the gradients of mean and inverse (empty: zero):
  /// inverse * (g - mean(g) - h * mean(g * h)) + d mean / n - d inverse * inverse^2 * h / n. Without a mean those terms go.
  Var dx(Var g, Var of_mean, Var of_inverse) const {
    const Var h = this->h();
    Var dx{};
    const auto add = [&dx](Var v) { dx = dx ? dx + v : v; };
    if (g) {
      const Var centred = mean ? g - d.reduce_mean(g, axes) : g;
      add(inverse * (centred - h * d.reduce_mean(g * h, axes)));
    }
    if (!of_mean && !of_inverse) return dx;
    const Var n = d.elements_per(x, inverse, d.dtype(inverse));
    if (of_mean) add(of_mean / n);
    if (of_inverse) add(-(of_inverse / n) * (d.squared(inverse) * h));
    return dx;
  }
};

}  // namespace

namespace {
// Gradients of a row's normalisation by dy, if the parameters lie as the op wants them.
bool give_row_norm(D& d, int64_t first_axis, Var mean, Var inverse) {
  const Var x = d.x(), scale = d.input(1), dy = d.dy();
  const DimShape all = d.shape(x), own = d.shape(scale);
  const int axis = static_cast<int>(first_axis < 0 ? first_axis + all.rank : first_axis);
  bool fits = d.dtype(scale) == d.dtype(x) && own.rank == all.rank - axis;
  for (int k = axis; fits && k < all.rank; ++k) fits = own[k - axis].same(all[k]);
  if (!fits) return false;
  Var out[3];
  const LayerNormGrad::Attrs attrs{.axis = first_axis};
  const Var inputs[] = {x, scale, inverse, dy, mean};
  d.emit(op_def<LayerNormGrad>, inputs, &attrs, {out, d.wants(2) ? 3U : d.wants(1) ? 2U : 1U});
  for (const int i : {0, 1, 2}) (void)d.give(i, out[i]);
  return true;
}
}  // namespace

Error LayerNorm::grad(D& d, const Attrs& a) {
  const DType type = statistics_type(d.dtype(d.x()));
  const Axes axes = axes_from(a.axis, d.rank(d.x()));
  const Normalised n{d, d.cast(d.x(), type), d.output(1), d.output(2), axes};
  Var dy = d.cast(d.dy(), type);
  if (dy && give_row_norm(d, a.axis, n.mean, n.inverse)) dy = Var{};
  if (d.wants(0)) (void)d.give(0, n.dx(dy ? dy * d.cast(d.input(1), type) : dy, d.output_gradient(1), d.output_gradient(2)));
  if (dy && d.wants(1)) (void)d.give(1, dy * n.h());
  return d.give(2, dy);
}

Error RmsNorm::grad(D& d, const Attrs& a) {
  const DType type = statistics_type(d.dtype(d.x()));
  const Axes axes = axes_from(a.axis, d.rank(d.x()));
  const Normalised n{d, d.cast(d.x(), type), Var{}, d.output(1), axes};
  Var dy = d.cast(d.dy(), type);
  if (dy && give_row_norm(d, a.axis, n.mean, n.inverse)) dy = Var{};
  if (d.wants(0)) (void)d.give(0, n.dx(dy ? dy * d.cast(d.input(1), type) : dy, Var{}, d.output_gradient(1)));
  return dy && d.wants(1) ? d.give(1, dy * n.h()) : d.error();
}

Error LayerNormGrad::formula(Expander& e, const Attrs& a) {
  const DType type = statistics_type(e.dtype(e.input(0))), own = e.dtype(e.input(0));
  const int rank = e.rank(e.input(0));
  const Axes axes = axes_from(a.axis, rank);
  Axes rows;
  for (int64_t k = 0; k < rank - static_cast<int64_t>(axes.count); ++k) rows.push(k);
  const Var x = e.cast(e.input(0), type), inverse = e.input(2), dy = e.cast(e.input(3), type), mean = e.input(4);
  const Var h = (mean ? x - mean : x) * inverse, g = dy * e.cast(e.input(1), type);
  const Var centred = mean ? g - e.reduce_mean(g, axes) : g;
  const auto over_rows = [&](Var v) { return e.cast(rows.count == 0 ? v : e.reduce_sum(v, rows, false), own); };
  if (e.wants_output(1)) e.output(1, over_rows(dy * h));
  if (e.wants_output(2)) e.output(2, over_rows(dy));
  return e.finish(e.cast(inverse * (centred - h * e.reduce_mean(g * h, axes)), own));
}

// Over [batch, space, groups, channels of a group], statistics [batch, 1, groups, 1].
Error GroupNorm::grad(D& d, const Attrs& a) {
  const DType type = statistics_type(d.dtype(d.x()));
  const Dim channels = d.shape(d.x())[d.rank(d.x()) - 1];
  if (!channels.is_const()) return d.fail(Error::Unsupported, "the gradient of group_norm with an unknown number of channels");
  const int64_t each = channels.lo / a.num_groups;
  static constexpr int64_t kAxes[] = {1, 3};
  const auto grouped = [&](Var v) { return v ? d.reshape(d.cast(v, type), {0, -1, a.num_groups, each}) : v; };
  const auto statistic = [&](Var v) { return v ? d.unsqueeze(v, {1, 3}) : v; };
  const Normalised n{d, grouped(d.x()), statistic(d.output(1)), statistic(d.output(2)), kAxes};
  const Var dy = grouped(d.dy());
  const Var scale = d.reshape(d.cast(d.input(1), type), {a.num_groups, each});
  if (d.wants(0)) {
    const Var dx = n.dx(dy ? dy * scale : dy, statistic(d.output_gradient(1)), statistic(d.output_gradient(2)));
    (void)d.give(0, d.reshape_like(dx, d.x()));
  }
  const auto per_channel = [&](Var v) { return d.reshape(d.sum(v, {0, 1}), {-1}); };
  if (dy && d.wants(1)) (void)d.give(1, per_channel(dy * n.h()));
  if (dy && d.wants(2)) (void)d.give(2, per_channel(dy));
  return d.error();
}

Error InstanceNorm::grad(D& d, const Attrs&) {
  const DType type = statistics_type(d.dtype(d.x()));
  const int rank = d.rank(d.x());
  Axes axes;
  for (int k = 1; k + 1 < rank; ++k) axes.push(k);
  const auto statistic = [&](Var v) { return v && axes.count > 0 ? d.node<Unsqueeze>({v}, {.axes = axes}) : v; };
  const Normalised n{d, d.cast(d.x(), type), statistic(d.output(1)), statistic(d.output(2)), axes};
  if (axes.count == 0) return d.fail(Error::Unsupported, "the gradient of instance_norm without a spatial axis");
  const Var dy = d.cast(d.dy(), type);
  if (d.wants(0)) {
    const Var g = dy ? dy * d.cast(d.input(1), type) : dy;
    (void)d.give(0, n.dx(g, statistic(d.output_gradient(1)), statistic(d.output_gradient(2))));
  }
  if (dy && d.wants(1)) (void)d.give(1, dy * n.h());
  return d.give(2, dy);
}

namespace {
struct ChannelAxes : Axes {  // all but the last
  explicit ChannelAxes(int rank) {
    for (int64_t k = 0; k + 1 < rank; ++k) push(k);
  }
  Var sum(Formula& f, Var v) const { return count == 0 ? v : f.reduce_sum(v, *this, false); }
  Var mean(Formula& f, Var v) const { return count == 0 ? v : f.reduce_mean(v, *this, false); }
};

// Statistics of the batch are outputs of the node; they have gradients where these gradients are differentiated again:
// dmean / n + dvar 2 (x - mean) / n.
Error grad_of_batch(D& d, const BatchNorm::Attrs& a) {
  const DType type = statistics_type(d.dtype(d.x()));
  const Var x = d.x(), mean = d.output(1), dy = d.dy(), dmean = d.output_gradient(1), dvar = d.output_gradient(2);
  if (dy) {
    Var out[3];
    const DType own = d.dtype(x);
    const Var inputs[] = {x, d.cast(d.input(1), own), mean, d.output(2), dy};
    const BatchNormGrad::Attrs attrs{.epsilon = a.epsilon};
    d.emit(op_def<BatchNormGrad>, inputs, &attrs, {out, d.wants(2) ? 3U : d.wants(1) ? 2U : 1U});
    for (const int i : {0, 1, 2}) (void)d.give(i, out[i]);
  }
  if (!d.wants(0) || (!dmean && !dvar)) return d.error();
  const Var n = d.elements_per(x, mean, type);
  if (dmean) (void)d.give(0, dmean / n);
  return dvar ? d.give(0, (d.cast(x, type) - mean) * (dvar * 2.0 / n)) : d.error();
}
}  // namespace

Error BatchNormGrad::formula(Expander& e, const Attrs& a) {
  const DType own = e.dtype(e.input(0)), type = statistics_type(own);
  const ChannelAxes axes(e.rank(e.input(0)));
  const auto in = [&](int i) { return e.cast(e.input(i), type); };
  const Var r = e.reciprocal(e.sqrt(e.input(3) + static_cast<double>(a.epsilon))), h = (in(0) - e.input(2)) * r;
  Var dy = in(4);
  const auto number = [&](double v) { return e.scalar(type, v); };
  if (a.activation != Activation::None) {
    const Var s = h * in(1) + in(5);
    const double low = static_cast<double>(a.activation_a), high = static_cast<double>(a.activation_b);
    if (a.activation == Activation::Relu) dy = e.where(e.less_or_equal(s, number(0)), number(0), dy);
    else dy = e.where(e.logical_and(e.less_or_equal(number(low), s), e.less_or_equal(s, number(high))), dy, number(0));
  }
  if (e.wants_output(1)) e.output(1, e.cast(axes.sum(e, dy * h), own));
  if (e.wants_output(2)) e.output(2, e.cast(axes.sum(e, dy), own));
  return e.finish(e.cast(in(1) * r * (dy - axes.mean(e, dy) - h * axes.mean(e, dy * h)), own));
}

// y = (x - mean) r scale + bias, r = 1 / sqrt(var + epsilon), all given: dvar = -r^2 / 2 of what r multiplies
Error BatchNorm::grad(D& d, const Attrs& a) {
  if (a.activation != Activation::None) return d.differentiate_expansion();
  if (!d.input(3)) return grad_of_batch(d, a);
  const DType type = statistics_type(d.dtype(d.x()));
  const auto in = [&](int i) { return d.cast(d.input(i), type); };
  const Var dy = d.cast(d.dy(), type), r = d.reciprocal(d.sqrt(in(4) + static_cast<double>(a.epsilon)));
  const Var weighted = dy * (in(1) * r);
  (void)d.give(0, weighted);
  if (d.wants(1) || d.wants(4)) {
    const Var h = (in(0) - in(3)) * r;
    if (d.wants(1)) (void)d.give(1, dy * h);
    if (d.wants(4)) (void)d.give(4, weighted * h * (r * -0.5));
  }
  (void)d.give(2, dy);
  return d.wants(3) ? d.give(3, -weighted) : d.error();
}

// c = x - mean, s = sqrt(mean(c^2)), q = s + 1e-9, y = c / q: dc = dy / q - c mean(dy c) / (q^2 s), 0 for the second term where
// s = 0; dx = dc - mean(dc)
Error MeanVarianceNormalization::grad(D& d, const Attrs& a) {
  const Var x = d.x(), dy = d.dy();
  const Var c = x - d.reduce_mean(x, a.axes), s = d.sqrt(d.reduce_mean(d.squared(c), a.axes)), q = s + 1e-9;
  const Var flat = d.equal(s, d.scalar(d.dtype(s), 0));
  const Var dc = dy / q - c * d.zero_where(flat, d.reduce_mean(dy * c, a.axes) / (d.squared(q) * s));
  return d.give(0, dc - d.reduce_mean(dc, a.axes));
}

// n = |x|_p, y = x / n: (dy - y sum(dy y)) / n, with sign(x) for the first y where p = 1; 0 where n = 0
Error LpNormalization::grad(D& d, const Attrs& a) {
  const Var x = d.x(), dy = d.dy(), y = d.y();
  const int64_t axes[] = {a.axis};
  const Var n = a.p == 1 ? d.reduce_sum(d.abs(x), axes) : d.sqrt(d.reduce_sum(d.squared(x), axes));
  const Var along = a.p == 1 ? d.sign(x) : y;
  const Var none = d.equal(n, d.scalar(d.dtype(n), 0));
  return d.give(0, d.zero_where(none, (dy - along * d.reduce_sum(dy * y, axes)) / n));
}

// y = x s^-beta, s = bias + k B x^2 with k = alpha / size and B the band of channels that count:
// dx = dy s^-beta - 2 k beta x B^T (dy x s^(-beta - 1))
Error Lrn::grad(D& d, const Attrs& a) {
  const Var x = d.x(), dy = d.dy();
  const Dim channels = d.shape(x)[d.rank(x) - 1];
  if (!channels.is_const()) return d.fail(Error::Unsupported, "the gradient of lrn with an unknown number of channels");
  const double k = static_cast<double>(a.alpha) / static_cast<double>(a.size), beta = static_cast<double>(a.beta);
  const int64_t before = (a.size - 1) / 2, after = a.size - 1 - before;
  // B[i, j] = 1 where channel i counts for channel j: i - j in [-before, after]
  const auto triangle = [&](Var v, bool upper, int64_t diagonal) {
    return d.node<Trilu>({v, d.scalar(DType::I64, static_cast<double>(diagonal))}, {.upper = upper});
  };
  const Var ones = d.node<Expand>({d.scalar(d.dtype(x), 1), d.ints({channels.lo, channels.lo})});
  const Var band = triangle(triangle(ones, true, -after), false, before);
  const Var s = d.matmul(d.squared(x), band) * k + static_cast<double>(a.bias);
  const auto power = [&](double e) { return d.pow(s, d.scalar(d.dtype(s), e)); };
  const Var spread = d.node<MatMul>({dy * x * power(-beta - 1), band}, {.transpose_b = true});
  return d.give(0, dy * power(-beta) - x * spread * (2 * k * beta));
}

Error Softmax::grad(D& d, const Attrs& a) {  // y (dy - sum(dy y))
  if (d.rank(d.x()) == 0) return Error::Ok;  // always 1
  const int64_t axes[] = {a.axis};
  return d.give(0, d.y() * (d.dy() - d.reduce_sum(d.dy() * d.y(), axes)));
}
Error LogSoftmax::grad(D& d, const Attrs& a) {  // dy - e^y sum(dy)
  if (d.rank(d.x()) == 0) return Error::Ok;
  const int64_t axes[] = {a.axis};
  return d.give(0, d.dy() - d.exp(d.y()) * d.reduce_sum(d.dy(), axes));
}

}  // namespace gf::op
