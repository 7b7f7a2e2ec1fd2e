// Gradients of reductions and running folds. The gradient of a reduced tensor gets its reduced axes back with length 1; give()
// spreads it over them.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

// y or dy with the reduced axes back. With no axes named all are reduced, and a scalar fits everything.
Var kept(D& d, const ReduceAttrs& a, Var v) {
  if (a.keepdims || !v) return v;
  if (d.input(1)) return d.node<Unsqueeze>({v, d.input(1)});
  if (a.axes.empty()) return v;
  int64_t axes[kMaxRank];
  for (size_t k = 0; k < a.axes.size(); ++k) axes[k] = a.axes[k];
  return d.node<Unsqueeze>({v}, {.axes = IntList(axes, a.axes.size())});
}

// Sum over the axes that the node reduces, kept with length 1.
Var sum_again(D& d, const ReduceAttrs& a, Var v) {
  return d.node<ReduceSum>({v, d.input(1)}, {.axes = a.axes, .keepdims = true, .none = a.none});
}

// the extreme elements share dy evenly
Error share_among_extremes(D& d, const ReduceAttrs& a) {
  const Var at = d.numbers(d.equal(d.x(), kept(d, a, d.y())), d.dtype(d.x()));
  return d.give(0, at * (kept(d, a, d.dy()) / sum_again(d, a, at)));
}

// Product of all other elements along one axis, also where some are 0.
Var others(D& d, Var x, int64_t axis) {
  return d.node<CumProd>({x}, {.axis = axis, .exclusive = true}) *
         d.node<CumProd>({x}, {.axis = axis, .exclusive = true, .reverse = true});
}

}  // namespace

Error ReduceSum::grad(D& d, const Attrs& a) { return d.give(0, kept(d, a, d.dy())); }
Error ReduceMean::grad(D& d, const Attrs& a) {
  return d.give(0, kept(d, a, d.dy()) / d.elements_per(d.x(), d.y(), d.dtype(d.x())));
}
Error GlobalNorm::grad(D& d, const Attrs& a) {
  const Var factor = d.dy() / d.y();
  for (int i = static_cast<int>(a.watched); i < d.input_count(); ++i) GF_TRY(d.give(i, d.input(i) * d.cast(factor, d.dtype(d.input(i)))));
  return d.error();
}
Error ReduceSumSquare::grad(D& d, const Attrs& a) { return d.give(0, kept(d, a, d.dy()) * (2.0 * d.x())); }
Error ReduceL1::grad(D& d, const Attrs& a) { return d.give(0, kept(d, a, d.dy()) * d.sign(d.x())); }
Error ReduceL2::grad(D& d, const Attrs& a) {  // x / y, 0 where y = 0
  const Var y = kept(d, a, d.y()), zero = d.equal(y, d.scalar(d.dtype(y), 0));
  return d.give(0, kept(d, a, d.dy()) * d.zero_where(zero, d.x() / y));
}
Error ReduceLogSum::grad(D& d, const Attrs& a) {  // 1 / sum = e^-y
  return d.give(0, kept(d, a, d.dy() * d.exp(-d.y())));
}
Error ReduceLogSumExp::grad(D& d, const Attrs& a) {
  return d.give(0, kept(d, a, d.dy()) * d.exp(d.x() - kept(d, a, d.y())));
}
Error ReduceMax::grad(D& d, const Attrs& a) { return share_among_extremes(d, a); }
Error ReduceMin::grad(D& d, const Attrs& a) { return share_among_extremes(d, a); }

// axis by axis: the product over one axis has the products of the others along it as its gradient
Error ReduceProd::grad(D& d, const Attrs& a) {
  const int rank = d.rank(d.x());
  IntList axes = a.axes;
  if (d.input(1) && !d.known_ints(d.input(1), axes))
    return d.fail(Error::Unsupported, "the gradient of a product over axes that are only known while running");
  int64_t list[kMaxRank];
  int count = 0;
  for (const int64_t axis : axes) list[count++] = axis < 0 ? axis + rank : axis;
  if (count == 0 && !a.none)
    for (int k = 0; k < rank; ++k) list[count++] = k;
  Var partial[kMaxRank + 1];
  partial[0] = d.x();
  for (int k = 0; k < count; ++k)
    partial[k + 1] = d.node<ReduceProd>({partial[k]}, {.axes = IntList(&list[k], 1)});
  Var g = kept(d, a, d.dy());
  for (int k = count - 1; k >= 0; --k) g = g * others(d, partial[k], list[k]);
  return d.give(0, g);
}

Error CumSum::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<CumSum>({d.dy(), d.input(1)}, {.axis = a.axis, .exclusive = a.exclusive, .reverse = !a.reverse}));
}

// dx_i = sum over k of dy_k y_k / x_i. Where x_i is the first 0 along the axis: the same sum with that element replaced by 1;
// later zeros: 0.
Error CumProd::grad(D& d, const Attrs& a) {
  const Var x = d.x(), axis = d.input(1), one = d.scalar(d.dtype(x), 1);
  const auto collect = [&](Var v) {
    return d.node<CumSum>({v, axis}, {.axis = a.axis, .exclusive = a.exclusive, .reverse = !a.reverse});
  };
  const Var is_zero = d.equal(x, d.scalar(d.dtype(x), 0)), zeros = d.numbers(is_zero, d.dtype(x));
  const Var seen = d.node<CumSum>({zeros, axis}, {.axis = a.axis, .reverse = a.reverse});
  const Var first = d.logical_and(is_zero, d.equal(seen, one));
  const Var product = d.node<CumProd>({d.where(first, one, x), axis}, a);
  const Var plain = collect(d.dy() * d.y()) / d.where(is_zero, one, x);
  return d.give(0, d.where(first, collect(d.dy() * product), d.zero_where(is_zero, plain)));
}

}  // namespace gf::op
