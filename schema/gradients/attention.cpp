// Gradients of attention, with softmax and without.
#include <cmath>

#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

// A mask that is differentiated, or scores that somebody read, have the gradient of their base ops.
Error Attention::grad(D& d, const Attrs& a) {
  if (d.wants(3) || d.output_gradient(1) || !d.dy()) return d.differentiate_expansion();
  const Var inputs[] = {d.input(0), d.input(1), d.input(2), d.y(), d.dy(), d.input(3), d.input(4), d.input(5)};
  Var out[3];
  d.emit(op_def<AttentionGrad>, inputs, &a, out);
  for (const int i : {0, 1, 2}) (void)d.give(i, out[i]);
  return d.error();
}

Error AttentionGrad::formula(Expander& e, const Attrs& a) {
  Attention::Weights w;
  GF_TRY(Attention::weights(e, a, w, kMask));
  static constexpr int64_t kLast[] = {-1};
  const Var y = Attention::heads_first(e, a, e.input(3)), dy = Attention::heads_first(e, a, e.input(4));
  const Var dp = e.matmul(dy, e.swap_last_axes(w.v)) - e.reduce_sum(dy * y, kLast);
  Var ds = w.p * dp * w.scale;
  if (w.allowed) ds = e.where(w.allowed, ds, e.scalar(e.dtype(ds), 0));
  if (a.softcap > 0) {
    const Var t = w.capped / static_cast<double>(a.softcap);
    ds = ds - ds * (t * t);
  }
  // the query heads of a group add up
  const auto of_keys = [&](Var g, Var like) {
    const Dim heads = e.shape(Attention::heads_first(e, a, like))[1], groups = e.shape(w.q)[1];
    static constexpr int64_t kGroup[] = {2};
    if (!heads.same(groups)) {
      const int64_t group = groups.lo / heads.lo;
      const Var dims = e.concat({e.size_of(g, 0), e.ints({heads.lo, group}), e.size_of(g, 2), e.size_of(g, 3)}, 0);
      g = e.reduce_sum(e.node<Reshape>({g, dims}), kGroup, false);
    }
    return Attention::heads_first(e, a, g);
  };
  e.output(0, Attention::heads_first(e, a, e.matmul(ds, w.k)));
  e.output(1, of_keys(e.matmul(e.swap_last_axes(ds), w.q), e.input(1)));
  e.output(2, of_keys(e.matmul(e.swap_last_axes(w.p), dy), e.input(2)));
  return e.error();
}

namespace {
constexpr int64_t kMostSteps = 1024;
}  // namespace

// Step by step as its definition says; heads are matrices: k a column [k_dim, 1], v a row [1, v_dim], q [group, k_dim].
Error LinearAttention::formula(Expander& e, const Attrs& a) {
  const Var q = e.input(0), k = e.input(1), v = e.input(2), past = e.input(3), decay = e.input(4), beta = e.input(5);
  const Dim steps = e.shape(q)[1], q_width = e.shape(q)[2], v_width = e.shape(v)[2];
  if (!steps.is_const() || steps.lo < 1 || steps.lo > kMostSteps)
    return e.fail(Error::Unsupported, "the gradient of linear_attention over an unknown number of steps or more than 1024");
  if (!q_width.is_const() || !v_width.is_const())
    return e.fail(Error::Unsupported, "the gradient of linear_attention with unknown sizes of heads");
  const int64_t group = a.q_heads / a.kv_heads, k_dim = q_width.lo / a.q_heads, v_dim = v_width.lo / a.kv_heads;
  const double scale = a.scale != 0 ? static_cast<double>(a.scale) : 1 / std::sqrt(static_cast<double>(k_dim));
  const DType type = e.dtype(q);
  const auto step_of = [&](Var x, int64_t t, int64_t rows, int64_t columns) {  // [batch, heads, rows, columns]
    return e.reshape(e.slice(x, 1, e.ints({t}), e.ints({t + 1})), {0, -1, rows, columns});
  };
  // decay is per head or per element of k, beta per head or one for all
  const Dim decay_width = decay ? e.shape(decay)[2] : Dim(1);
  if (!decay_width.is_const()) return e.fail(Error::Unsupported, "the gradient of linear_attention with unknown gates");
  const int64_t gates = decay_width.lo == a.kv_heads ? 1 : k_dim;
  Var state = past ? e.cast(past, type) : past, parts[kMostSteps];
  for (int64_t t = 0; t < steps.lo; ++t) {
    const Var column = step_of(k, t, k_dim, 1);
    if (decay && state) state = state * e.exp(step_of(decay, t, gates, 1));
    Var u = step_of(v, t, 1, v_dim);
    if (beta) {
      if (state) u = u - e.matmul(e.swap_last_axes(column), state);
      u = u * step_of(beta, t, 1, 1);
    }
    const Var written = column * u;
    state = state ? state + written : written;
    const Var y = e.matmul(step_of(q, t, group, k_dim), state) * scale;  // [batch, kv_heads, group, v_dim]
    parts[t] = e.reshape(y, {0, 1, a.q_heads * v_dim});
  }
  Var y = parts[0];
  const Concat::Attrs along{.axis = 1};
  if (steps.lo > 1) e.emit(op_def<Concat>, {parts, static_cast<size_t>(steps.lo)}, &along, {&y, 1});
  if (e.wants_output(1)) e.output(1, e.cast(state, past ? e.dtype(past) : type));
  return e.finish(y);
}

}  // namespace gf::op
