#include "schema/gradient.h"

#include "schema/ops.h"

namespace gf {

Error Differentiator::give(int i, Var dx) {
  if (error() != Error::Ok || !dx || !wants(i)) return error();
  const Var fitted = like(dx, input(i));
  if (error() == Error::Ok) take(i, fitted);
  return error();
}

Var Differentiator::shape_of(Var x) {
  const DimShape s = shape(x);
  if (!s.is_const()) return node<op::ShapeOf>({x});
  int64_t dims[kMaxRank];
  for (int d = 0; d < s.rank; ++d) dims[d] = s[d].lo;
  return ints(IntList(dims, static_cast<size_t>(s.rank)));
}

Var Differentiator::length(Var x, int axis) {
  const Dim d = shape(x)[axis];
  return d.is_const() ? ints({d.lo}) : size_of(x, axis);
}

Var Differentiator::size(Var x) {
  const DimShape s = shape(x);
  if (!s.is_const()) return reshape(node<op::Size>({x}), {1});
  int64_t n = 1;
  for (int d = 0; d < s.rank; ++d)
    if (!mul_checked(n, s[d].lo, n)) (void)fail(Error::LimitExceeded, "a tensor with more elements than 2^63");
  return ints({n});
}

Var Differentiator::elements_per(Var x, Var y, DType type) {
  const DimShape a = shape(x), b = shape(y);
  int64_t count = 1, of_y = 1;
  bool known = true;
  uint32_t used = 0;
  for (int d = 0; d < a.rank; ++d) {
    if (a[d].is_const()) {
      known = known && mul_checked(count, a[d].lo, count);
      continue;
    }
    bool found = false;  // an unknown length cancels against the same one of y
    for (int k = 0; k < b.rank && !found; ++k) {
      if ((used & (1U << k)) != 0 || b[k].is_const() || !a[d].same(b[k])) continue;
      used |= 1U << k;
      found = true;
    }
    known = known && found;
  }
  for (int k = 0; k < b.rank; ++k) {
    if (b[k].is_const()) known = known && mul_checked(of_y, b[k].lo, of_y);
    else known = known && (used & (1U << k)) != 0;
  }
  if (known && of_y > 0) return scalar(type, static_cast<double>(count) / static_cast<double>(of_y));
  return cast(node<op::Size>({x}), type) / cast(node<op::Size>({y}), type);
}

bool Differentiator::same_shape(Var a, Var b) const {
  const DimShape &s = shape(a), &t = shape(b);
  bool same = s.rank == t.rank;
  for (int d = 0; same && d < s.rank; ++d) same = s[d].same(t[d]);
  return same;
}

Var Differentiator::reshape_like(Var v, Var x) {
  if (!v || !x || same_shape(v, x)) return v;
  const DimShape from = shape(v), to = shape(x);
  int64_t dims[kMaxRank];
  int open = 0;
  bool zero = false;
  for (int d = 0; d < to.rank; ++d) {
    zero = zero || (to[d].is_const() && to[d].lo == 0);
    if (to[d].is_const()) dims[d] = to[d].lo;
    else if (d < from.rank && to[d].same(from[d])) dims[d] = 0;  // copied
    else dims[d] = -1, ++open;
  }
  if (to.is_const() && zero) return node<op::Reshape>({v, shape_of(x)}, {.allowzero = true});
  if (open > 1 || zero) return node<op::Reshape>({v, node<op::ShapeOf>({x})}, {.allowzero = true});
  return node<op::Reshape>({v, ints(IntList(dims, static_cast<size_t>(to.rank)))});
}

Var Differentiator::length_list(Var x, uint32_t axes) {
  const DimShape s = shape(x);
  Var parts[kMaxRank];
  int64_t dims[kMaxRank];
  bool known = true;
  for (int d = 0; d < s.rank; ++d) {
    const bool listed = (axes & (1U << d)) != 0;
    known = known && (!listed || s[d].is_const());
    dims[d] = listed ? s[d].lo : 1;
  }
  if (known) return ints(IntList(dims, static_cast<size_t>(s.rank)));
  for (int d = 0; d < s.rank; ++d) parts[d] = (axes & (1U << d)) != 0 ? length(x, d) : ints({1});
  Var list;
  const op::Concat::Attrs attrs{.axis = 0};
  emit(op_def<op::Concat>, {parts, static_cast<size_t>(s.rank)}, &attrs, {&list, 1});
  return list;
}

// Whether x has length 1 on this axis is decided while running: both answers are computed, and x's length cuts.
Var Differentiator::sum_or_keep(Var v, Var x, int axis) {
  const int64_t axes[] = {axis};
  const Var end = size_of(x, axis);
  return slice(where(equal(end, ints({1})), reduce_sum(v, axes), v), axis, ints({0}), end);
}

Var Differentiator::like(Var v, Var x) {
  if (!v || !x) return v;
  v = cast(v, dtype(x));
  if (error() != Error::Ok || same_shape(v, x)) return v;
  const DimShape from = shape(v), to = shape(x);
  const int lead = from.rank - to.rank;
  int64_t sum_axes[kMaxRank], lead_axes[kMaxRank];
  size_t sums = 0;
  uint32_t spread = 0, open = 0;
  for (int d = 0; d < from.rank; ++d) {
    const int k = d - lead;
    const Dim have = from[d];
    if (k < 0) {
      lead_axes[d] = d;
      sum_axes[sums++] = d;
      continue;
    }
    const Dim want = to[k];
    if (have.same(want)) continue;
    if (want.is_const() && want.lo == 1) sum_axes[sums++] = d;
    else if (have.is_const() && have.lo == 1) spread |= 1U << k;
    else if (want.lo <= 1) open |= 1U << k;
    else if (have.lo <= 1) spread |= 1U << k;
  }
  for (int k = 0; k < -lead; ++k) spread |= 1U << k;
  if (sums > 0) v = reduce_sum(v, IntList(sum_axes, sums));
  if (lead > 0) v = node<op::Squeeze>({v}, {.axes = IntList(lead_axes, static_cast<size_t>(lead))});
  for (int k = 0; k < to.rank; ++k) {
    if ((open & (1U << k)) == 0) continue;
    v = sum_or_keep(v, x, k);
    if (from[k + lead].lo <= 1) spread |= 1U << k;
  }
  if (spread != 0) v = node<op::Expand>({v, length_list(x, spread)});
  return reshape_like(v, x);  // names the lengths as those of x where they could not be told to be
}

Var Differentiator::zeros_like(Var x) {
  const DimShape s = shape(x);
  const Var zero = scalar(dtype(x), 0);
  return s.rank == 0 ? zero : node<op::Expand>({zero, shape_of(x)});
}

Var Differentiator::zero_where(Var condition, Var v) { return where(condition, scalar(dtype(v), 0), v); }
Var Differentiator::numbers(Var condition, DType type) { return cast(condition, type); }
Var Differentiator::abs(Var x) { return node<op::Abs>({x}); }
Var Differentiator::sign(Var x) { return node<op::Sign>({x}); }
Var Differentiator::log(Var x) { return node<op::Log>({x}); }
Var Differentiator::round(Var x) { return node<op::Round>({x}); }

Var Differentiator::flat_indices(Var x) { return reshape_like(count_up(size(x)), x); }

Var Differentiator::collect(Var dy, Var indices, Var x) {
  const Var zeros = node<op::Expand>({scalar(dtype(x), 0), size(x)});
  const Var sums = node<op::ScatterElements>({zeros, reshape(indices, {-1}), reshape(cast(dy, dtype(x)), {-1})},
                                             {.axis = 0, .reduction = ScatterReduction::Add});
  return reshape_like(sums, x);
}

}  // namespace gf
