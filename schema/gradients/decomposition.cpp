// Gradients of decompositions of matrices: cholesky, qr, eigh, svd. Through vectors they divide by differences of eigenvalues or singular
// values: of equal ones vectors have no derivative, and what comes out is not finite, as in PyTorch. Values alone always have one.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

/// bool [n, n]: the diagonal, n being the length of the last axis of x.
Var diagonal(D& d, Var x) {
  const Var k = d.count_up(d.length(x, d.rank(x) - 1));
  return d.equal(d.unsqueeze(k, {1}), k);
}
Var lower(D& d, Var x) { return d.node<Trilu>({x}, {.upper = false}); }
Var transposed(D& d, Var x) { return d.swap_last_axes(x); }
Var as_rows(D& d, Var v) { return d.unsqueeze(v, {-2}); }     ///< factors of columns
Var as_column(D& d, Var v) { return d.unsqueeze(v, {-1}); }   ///< factors of rows
/// x / differences off the diagonal, 0 on it.
Var over(D& d, Var x, Var differences) {
  const Var on = diagonal(d, x);
  return d.zero_where(on, x / d.where(on, d.scalar(d.dtype(x), 1), differences));
}
/// a + b where either may be empty.
Var plus(Var a, Var b) { return !a ? b : (!b ? a : a + b); }

// Of a square or tall matrix: (dq + q c(m)) r^-T with m = r dr^T - dq^T q and c(m) its lower triangle mirrored upwards (Walter and Lehmann
// 2010, "Algorithmic differentiation of linear algebra functions", with the sign of dq^T q as here).
Var through_qr(D& d, Var q, Var r, Var dq, Var dr) {
  Var m;
  if (dr) m = d.matmul(r, transposed(d, dr));
  if (dq) {
    const Var part = -d.matmul(transposed(d, dq), q);
    m = plus(m, part);
  }
  const Var below = lower(d, m), strict = d.zero_where(diagonal(d, m), below);
  const Var moved = plus(dq, d.matmul(q, below + transposed(d, strict)));
  return d.matmul(moved, transposed(d, d.node<Inverse>({r})));
}

}  // namespace

// Murray 2016 (arXiv 1602.07527), made symmetric.
Error Cholesky::grad(D& d, const Attrs&) {
  const Var l = d.y(), product = lower(d, d.matmul(transposed(d, l), d.dy()));
  const Var phi = d.where(diagonal(d, product), product * 0.5, product), inverse = d.node<Inverse>({l});
  const Var s = d.matmul(d.matmul(transposed(d, inverse), phi), inverse);
  return d.give(0, (s + transposed(d, s)) * 0.5);
}

// A wide matrix is [x | y] with x square: r = [u | v], v = q^T y.
Error Qr::grad(D& d, const Attrs&) {
  const Var a = d.x(), q = d.output(0), r = d.output(1), dq = d.output_gradient(0), dr = d.output_gradient(1);
  const int last = d.rank(a) - 1;
  const Dim rows = d.shape(a)[last - 1], cols = d.shape(a)[last];
  if (rows.lo >= cols.hi) return d.give(0, through_qr(d, q, r, dq, dr));
  if (!rows.is_const() || !cols.is_const()) return d.fail(Error::Unsupported, "the gradient of qr of a matrix that may be wide or tall");
  const Var begin = d.ints({0}), middle = d.ints({rows.lo}), end = d.ints({cols.lo});
  const Var u = d.slice(r, last, begin, middle), y = d.slice(a, last, middle, end);
  if (!dr) return d.give(0, d.concat({through_qr(d, q, u, dq, dr), d.zeros_like(y)}, last));
  const Var du = d.slice(dr, last, begin, middle), dv = d.slice(dr, last, middle, end);
  const Var dx = through_qr(d, q, u, plus(dq, d.matmul(y, transposed(d, dv))), du);
  return d.give(0, d.concat({dx, d.matmul(q, dv)}, last));
}

// v (diag(dw) + (v^T dv) / (w_j - w_i)) v^T (Giles 2008, "An extended collection of matrix derivative results", 3.1).
Error Eigh::grad(D& d, const Attrs&) {
  const Var w = d.output(0), v = d.output(1), dw = d.output_gradient(0), dv = d.output_gradient(1);
  Var inner;
  if (dv) inner = over(d, d.matmul(transposed(d, v), dv), as_rows(d, w) - as_column(d, w));
  if (dw) {
    const Var on = d.numbers(diagonal(d, v), d.dtype(v)) * as_rows(d, dw);
    inner = plus(inner, on);
  }
  return d.give(0, d.matmul(d.matmul(v, inner), transposed(d, v)));
}

// u ((k(u^T du) / e) s + s (k(v^T dv) / e) + diag(ds)) v^T with k(x) = x - x^T and e = s_j^2 - s_i^2; a tall u adds (1 - u u^T) du s^-1 v^T, a
// wide v the like (Townsend 2016, "Differentiating the singular value decomposition").
Error Svd::grad(D& d, const Attrs&) {
  const Var u = d.output(0), s = d.output(1), vh = d.output(2), du = d.output_gradient(0), ds = d.output_gradient(1), dvh = d.output_gradient(2);
  const Var by_column = as_rows(d, s), by_row = as_column(d, s);
  const Var differences = d.squared(by_column) - d.squared(by_row);
  const auto turn = [&](Var product) { return over(d, product - transposed(d, product), differences); };
  Var inner, outer;
  if (du) {
    const Var product = d.matmul(transposed(d, u), du);
    inner = turn(product) * by_column;
    outer = d.matmul((du - d.matmul(u, product)) / by_column, vh);
  }
  if (dvh) {
    const Var product = d.matmul(vh, transposed(d, dvh));
    const Var part = by_row * turn(product);
    inner = plus(inner, part);
    const Var rest = d.matmul(u, (dvh - d.matmul(transposed(d, product), vh)) / by_row);
    outer = plus(outer, rest);
  }
  if (ds) {
    const Var on = d.numbers(diagonal(d, d.matmul(vh, transposed(d, vh))), d.dtype(s)) * as_rows(d, ds);
    inner = plus(inner, on);
  }
  return d.give(0, plus(d.matmul(d.matmul(u, inner), vh), outer));
}

}  // namespace gf::op
