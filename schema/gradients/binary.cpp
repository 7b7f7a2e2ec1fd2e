// Gradients of the elementwise ops on several tensors. give() sums over the axes that were broadcast.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

Error Add::grad(D& d, const Attrs&) {
  (void)d.give(0, d.dy());
  return d.give(1, d.dy());
}
Error Sub::grad(D& d, const Attrs&) {
  (void)d.give(0, d.dy());
  return d.wants(1) ? d.give(1, -d.dy()) : d.error();
}
Error Mul::grad(D& d, const Attrs&) {
  if (d.wants(0)) (void)d.give(0, d.dy() * d.input(1));
  if (d.wants(1)) (void)d.give(1, d.dy() * d.input(0));
  return d.error();
}
Error Div::grad(D& d, const Attrs&) {  // 1 / b, -y / b
  const Var over = d.dy() / d.input(1);
  (void)d.give(0, over);
  return d.wants(1) ? d.give(1, -over * d.y()) : d.error();
}

// da = b a^(b - 1), 0 where b = 0; db = y ln a, 0 where a = 0 and b >= 0
Error Pow::grad(D& d, const Attrs&) {
  const Var a = d.input(0), b = d.input(1), zero = d.scalar(d.dtype(a), 0);
  if (d.wants(0)) (void)d.give(0, d.zero_where(d.equal(b, zero), d.dy() * (b * d.pow(a, b - 1.0))));
  if (d.wants(1)) {
    const Var flat = d.logical_and(d.equal(a, zero), d.less_or_equal(zero, b));
    (void)d.give(1, d.zero_where(flat, d.dy() * (d.y() * d.log(a))));
  }
  return d.error();
}

// remainder: y = a - n b with whole n: da = 1, db = -n
Error Mod::grad(D& d, const Attrs&) {
  (void)d.give(0, d.dy());
  if (!d.wants(1)) return d.error();
  return d.give(1, -d.dy() * d.round((d.input(0) - d.y()) / d.input(1)));
}

namespace {
// the one that was taken gets dy, equals share it
Error share(D& d, bool larger) {
  const Var a = d.input(0), b = d.input(1), half = d.dy() * 0.5, equal = d.equal(a, b);
  const Var a_is_less = d.less(a, b), b_is_less = d.less(b, a);
  if (d.wants(0)) (void)d.give(0, d.where(equal, half, d.zero_where(larger ? a_is_less : b_is_less, d.dy())));
  if (d.wants(1)) (void)d.give(1, d.where(equal, half, d.zero_where(larger ? b_is_less : a_is_less, d.dy())));
  return d.error();
}
}  // namespace

Error Max::grad(D& d, const Attrs&) { return share(d, true); }
Error Min::grad(D& d, const Attrs&) { return share(d, false); }

Error PRelu::grad(D& d, const Attrs&) {
  const Var x = d.input(0), slope = d.input(1), zero = d.scalar(d.dtype(x), 0);
  const Var negative = d.less_or_equal(x, zero);
  if (d.wants(0)) (void)d.give(0, d.where(negative, d.dy() * slope, d.dy()));
  if (d.wants(1)) (void)d.give(1, d.where(negative, d.dy() * x, zero));
  return d.error();
}

Error Where::grad(D& d, const Attrs&) {
  const Var zero = d.scalar(d.dtype(d.dy()), 0);
  if (d.wants(1)) (void)d.give(1, d.where(d.input(0), d.dy(), zero));
  if (d.wants(2)) (void)d.give(2, d.where(d.input(0), zero, d.dy()));
  return d.error();
}

}  // namespace gf::op
