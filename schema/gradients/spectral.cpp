// Gradients of Fourier transforms and of determinants and inverses.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

// v with the length of x on this axis: cut or padded with zeros.
Var fitted(D& d, Var v, Var x, int axis) {
  const Dim have = d.shape(v)[axis], want = d.shape(x)[axis];
  if (have.same(want)) return v;
  if (!have.is_const() || !want.is_const()) {
    (void)d.fail(Error::Unsupported, "the gradient of a transform that cuts or pads an unknown length");
    return v;
  }
  if (have.lo > want.lo) return d.slice(v, axis, d.ints({0}), d.ints({want.lo}));
  return d.node<Pad>({v, d.ints({0, want.lo - have.lo}), Var{&d, -1}, d.ints({axis})});
}

// The way back through a forward transform of `length` ([1]) along `axis`, real or complex as x: the conjugate transform, which is
// length times the inverse; a one-sided dy is padded to the length.
Var conjugate_transform(D& d, Var dy, Var length, int axis, int64_t parts) {
  Var v = d.node<Dft>({dy, length}, {.axis = axis, .inverse = true});
  v = v * d.cast(length, d.dtype(v));
  return parts == 2 ? v : d.slice(v, d.rank(v) - 1, d.ints({0}), d.ints({1}));
}

}  // namespace

// Of the inverse: dx = transform of dy / length. From a one-sided spectrum every frequency but 0 and length / 2 counts twice.
Error Dft::grad(D& d, const Attrs& a) {
  const Var x = d.x(), dy = d.dy();
  const int rank = d.rank(x);
  int64_t raw = a.axis;
  if (d.input(2)) {
    IntList list;
    if (!d.known_ints(d.input(2), list) || list.size() != 1)
      return d.fail(Error::Unsupported, "the gradient of a transform along an unknown axis");
    raw = list[0];
  }
  const auto axis = static_cast<int>(raw < 0 ? raw + rank : raw);
  const DimShape shape = d.shape(x);
  const int64_t parts = shape[rank - 1].lo;
  if (!a.inverse) {
    const Var given = d.input(1);
    const Var length = given ? d.cast(d.reshape(given, {1}), DType::I64) : d.length(x, axis);
    return d.give(0, fitted(d, conjugate_transform(d, dy, length, axis, parts), x, axis));
  }
  const Var length = d.length(d.y(), axis);
  Var v = d.node<Dft>({dy, length}, {.axis = axis, .onesided = a.onesided});
  v = v / d.cast(length, d.dtype(v));
  if (a.onesided) {
    const Var k = d.count_up(d.length(v, axis)), two = d.ints({2});
    const Var single = d.cast(d.equal(k, d.ints({0})), DType::I64) + d.cast(d.equal(k * two, length), DType::I64);
    Var weight = d.cast(two - single, d.dtype(v));
    for (int axes = axis + 1; axes < rank; ++axes) weight = d.unsqueeze(weight, {-1});
    v = v * weight;
  }
  if (parts == 1) v = d.slice(v, rank - 1, d.ints({0}), d.ints({1}));
  return d.give(0, fitted(d, v, x, axis));
}

// Frames of the signal times the window, transformed: back through the transform, then every frame is added where it was cut.
Error Stft::grad(D& d, const Attrs&) {
  const Var x = d.x(), window = d.input(2), dy = d.dy();
  const int64_t parts = d.shape(x)[2].lo;
  Var length = window ? d.length(window, 0) : d.length(x, 1);
  if (!window && d.input(3)) length = d.cast(d.reshape(d.input(3), {1}), DType::I64);
  const Var step = d.cast(d.reshape(d.input(1), {1}), DType::I64);
  const Var starts = d.unsqueeze(d.count_up(d.length(dy, 1)) * step, {1});
  const Var at = starts + d.count_up(length);                             // [frames, length]: places in the signal
  const Var frames = conjugate_transform(d, dy, length, 2, parts);        // [batch, frames, length, parts]
  const Var shown = window ? d.unsqueeze(window, {1}) : window;
  if (d.wants(0))
    (void)d.give(0, d.collect(window ? frames * shown : frames, d.gather(d.flat_indices(x), at, 1), x));
  if (!window || !d.wants(2)) return d.error();
  static constexpr int64_t kAxes[] = {0, 1, 3};
  return d.give(2, d.reduce_sum(frames * d.gather(x, at, 1), kAxes, false));
}

Error Det::grad(D& d, const Attrs&) {
  const Var scale = d.unsqueeze(d.dy() * d.y(), {-2, -1});
  return d.give(0, scale * d.swap_last_axes(d.node<Inverse>({d.x()})));
}
Error Inverse::grad(D& d, const Attrs&) {
  const Var y = d.swap_last_axes(d.y());
  return d.give(0, -d.matmul(d.matmul(y, d.dy()), y));
}

}  // namespace gf::op
