// Gradients of lstm, gru and rnn: the walk back through time is an op of its own (schema/recurrent_grad.h), weights and inputs get
// products over all steps at once. The formulas of those ops, step by step, serve second derivatives.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

constexpr int64_t kMostSteps = 1024;  // of a formula

Var concat_all(Formula& f, std::span<const Var> parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  Var y;
  const Concat::Attrs attrs{.axis = axis};
  f.emit(op_def<Concat>, parts, &attrs, {&y, 1});
  return y;
}
Var part(Formula& f, Var x, int64_t axis, int64_t start, int64_t end) {
  return f.slice(x, axis, f.ints({start}), f.ints({end}));
}
Var sum_of(Var a, Var b) { return a && b ? a + b : a ? a : b; }

// y [length, directions, batch, hidden] as [directions, length, batch, hidden]
Var directions_first(Formula& f, Var y, const RecurrentAttrs& a) {
  return a.directions() == 1 ? f.unsqueeze(f.squeeze(y, {1}), {0}) : f.transpose(y, {1, 0, 2, 3});
}

// The states that each step started from; `states` are those it ended with, `initial` may be empty: zeros.
Var states_before(D& d, const RecurrentAttrs& a, Var states, Var initial, Var lengths) {
  const Var steps = d.length(states, 1), one = d.ints({1});
  Var all[2];
  for (int64_t k = 0; k < a.directions(); ++k) {
    const Var own = a.directions() == 1 ? states : part(d, states, 0, k, k + 1);
    Var first = initial ? d.unsqueeze(a.directions() == 1 ? initial : part(d, initial, 0, k, k + 1), {1}) : initial;
    if (!initial) {
      const Var step = d.slice(own, 1, d.ints({0}), one);
      first = d.zeros_like(step);
    }
    if (!a.is_reverse(k)) {
      all[k] = d.concat({first, d.slice(own, 1, d.ints({0}), steps - one)}, 1);
      continue;
    }
    all[k] = d.concat({d.slice(own, 1, one, steps), first}, 1);
    if (!lengths || !initial) continue;  // past its end a sequence's states are zero
    const Var last = d.cast(lengths, DType::I64) - one;
    all[k] = d.where(d.equal(d.unsqueeze(d.count_up(steps), {0, 2, 3}), d.unsqueeze(last, {0, 1, 3})), first, all[k]);
  }
  return concat_all(d, {all, static_cast<size_t>(a.directions())}, 0);
}

// All steps and sequences as the rows of one matrix per direction.
Var rows_of(Formula& f, Var steps, int64_t width) { return f.reshape(steps, {0, -1, width}); }
Var product_of_rows(Formula& f, Var left, Var right) { return f.node<MatMul>({left, right}, {.transpose_a = true}); }

// Gradients of x, w and b from da, the gradients of what the input's product gives; ds: of what the state's gives.
void give_inputs(D& d, const RecurrentAttrs& a, int64_t gates, Var da, Var ds) {
  const Var rows = rows_of(d, da, gates * a.hidden);
  if (d.wants(0)) {
    static constexpr int64_t kDirections[] = {0};
    Var dx = d.matmul(rows, d.input(1));
    if (a.directions() > 1) dx = d.reduce_sum(dx, kDirections);
    (void)d.give(0, d.reshape_like(dx, d.x()));
  }
  if (d.wants(1)) (void)d.give(1, product_of_rows(d, rows, d.reshape(d.x(), {1, -1, 0})));
  if (!d.wants(3)) return;
  static constexpr int64_t kRows[] = {1};
  const Var of_input = d.reduce_sum(rows, kRows, false);
  const Var of_state = ds.id == da.id ? of_input : d.reduce_sum(rows_of(d, ds, gates * a.hidden), kRows, false);
  (void)d.give(3, d.concat({of_input, of_state}, 1));
}

template <class Op>
Var emit_grad(D& d, const RecurrentAttrs& a, std::initializer_list<Var> inputs, std::span<Var> outputs) {
  d.emit(op_def<Op>, {inputs.begin(), inputs.size()}, &a, outputs);
  return outputs[0];
}

}  // namespace

Error Lstm::grad(D& d, const Attrs& a) {
  const Var cells = d.output(4), lengths = d.input(4);
  Var out[3];
  const size_t count = d.wants(6) ? 3 : d.wants(5) ? 2 : 1;
  const Var da = emit_grad<LstmGrad>(d, a,
                                     {d.input(2), d.output(3), cells, d.input(6), lengths, d.input(7), d.output_gradient(0),
                                      d.output_gradient(1), d.output_gradient(2), d.output_gradient(3), d.output_gradient(4)},
                                     {out, count});
  give_inputs(d, a, 4, da, da);
  if (d.wants(2)) {
    const Var before = states_before(d, a, directions_first(d, d.output(0), a), d.input(5), lengths);
    (void)d.give(2, product_of_rows(d, rows_of(d, da, 4 * a.hidden), rows_of(d, before, a.hidden)));
  }
  if (d.wants(5)) (void)d.give(5, out[1]);
  if (d.wants(6)) (void)d.give(6, out[2]);
  if (!d.wants(7)) return d.error();
  const Var before = states_before(d, a, cells, d.input(6), lengths);
  static constexpr int64_t kSteps[] = {1, 2};
  Var parts[3];
  for (int64_t k = 0; k < 3; ++k)  // i, o, f; o looks at the cell it goes with
    parts[k] = d.reduce_sum(part(d, da, 3, k * a.hidden, (k + 1) * a.hidden) * (k == 1 ? cells : before), kSteps, false);
  return d.give(7, concat_all(d, parts, 1));
}

Error Gru::grad(D& d, const Attrs& a) {
  const Var lengths = d.input(4), kept = d.output(3), y = d.output(0);
  const int64_t h = a.hidden;
  const bool wants_state = d.wants(2) || d.wants(3);
  Var out[3];
  const Var da = emit_grad<GruGrad>(d, a,
                                    {d.input(2), d.output(2), kept, y, d.input(5), lengths, d.output_gradient(0),
                                     d.output_gradient(1), d.output_gradient(2), d.output_gradient(3)},
                                    {out, static_cast<size_t>(a.option && wants_state ? 3 : 2)});
  const Var ds = a.option && wants_state ? out[2] : da;
  give_inputs(d, a, 3, da, ds);
  if (d.wants(5)) (void)d.give(5, out[1]);
  if (!d.wants(2)) return d.error();
  const Var before = rows_of(d, states_before(d, a, directions_first(d, y, a), d.input(5), lengths), h), rows = rows_of(d, ds, 3 * h);
  if (a.option) return d.give(2, product_of_rows(d, rows, before));
  const Var zr = product_of_rows(d, part(d, rows, 2, 0, 2 * h), before);
  const Var n = product_of_rows(d, part(d, rows, 2, 2 * h, 3 * h), rows_of(d, kept, h));
  return d.give(2, d.concat({zr, n}, 1));
}

Error Rnn::grad(D& d, const Attrs& a) {
  const Var y = d.output(0), lengths = d.input(4);
  Var out[2];
  const Var da = emit_grad<RnnGrad>(d, a, {d.input(2), y, lengths, d.output_gradient(0), d.output_gradient(1)},
                                    {out, static_cast<size_t>(d.wants(5) ? 2 : 1)});
  give_inputs(d, a, 1, da, da);
  if (d.wants(2)) {
    const Var before = states_before(d, a, directions_first(d, y, a), d.input(5), lengths);
    (void)d.give(2, product_of_rows(d, rows_of(d, da, a.hidden), rows_of(d, before, a.hidden)));
  }
  return d.wants(5) ? d.give(5, out[1]) : d.error();
}

// --- the walk in base ops

namespace {

Var one_minus(Var v) { return v.formula->scalar(v.formula->dtype(v), 1) - v; }

Var cell_value(Formula& f, const CellFunction& of, Var x) {
  switch (of.kind) {
    case CellActivation::Sigmoid: return f.sigmoid(x);
    case CellActivation::Tanh: return f.tanh(x);
    case CellActivation::Relu: return f.node<Relu>({x});
    case CellActivation::Affine: return x * static_cast<double>(of.alpha) + static_cast<double>(of.beta);
    case CellActivation::LeakyRelu: return f.node<LeakyRelu>({x}, {.alpha = of.alpha});
    case CellActivation::ThresholdedRelu: return f.where(f.less(x, f.scalar(f.dtype(x), static_cast<double>(of.alpha))), x * 0.0, x);
    case CellActivation::ScaledTanh: return f.tanh(x * static_cast<double>(of.beta)) * static_cast<double>(of.alpha);
    case CellActivation::HardSigmoid: return f.node<HardSigmoid>({x}, {.alpha = of.alpha, .beta = of.beta});
    case CellActivation::Elu: return f.node<Elu>({x}, {.alpha = of.alpha});
    case CellActivation::Softsign: return f.node<Softsign>({x});
    case CellActivation::Softplus: return f.softplus(x);
  }
  return x;
}

// One direction of a walk.
struct Walk {
  Expander& e;
  const RecurrentAttrs& a;
  int functions;
  int64_t direction, steps;
  Var lengths;

  bool reverse() const { return a.is_reverse(direction); }
  int64_t time(int64_t k) const { return reverse() ? k : steps - 1 - k; }  ///< of the k-th step of the walk
  Var zero(Var like) const { return e.scalar(e.dtype(like), 0); }
  /// [batch, count] of [directions, length, batch, width], or, with time_axis 0, of y; empty stays.
  Var at(Var all, int64_t t, int64_t first, int64_t count, int time_axis = 1) const {
    if (!all) return all;
    const int64_t start[2] = {time_axis == 1 ? direction : t, time_axis == 1 ? t : direction};
    const Var v = e.node<Slice>({all, e.ints({start[0], start[1], first}), e.ints({start[0] + 1, start[1] + 1, first + count}),
                                 e.ints({0, 1, 3})});
    return e.squeeze(v, {0, 1});
  }
  Var of_direction(Var v) const { return v ? e.squeeze(part(e, v, 0, direction, direction + 1), {0}) : v; }
  /// [batch, 1]: sequences that reach t; empty: all do.
  Var valid(int64_t t) const {
    return lengths ? e.less(e.scalar(DType::I32, static_cast<double>(t)), e.unsqueeze(lengths, {1})) : lengths;
  }
  Var select(Var valid, Var now, Var else_) const {
    if (!valid || !now) return now;
    return e.where(valid, now, else_ ? else_ : zero(now));
  }
  /// The state that the step at t started from; `states` by at(); empty: zero.
  Var before(Var states, Var initial, int64_t t, int time_axis) const {
    const int64_t previous = reverse() ? t + 1 : t - 1;
    const bool inside = previous >= 0 && previous < steps;
    const Var first = of_direction(initial);
    if (!inside) return first;
    const Var v = at(states, previous, 0, a.hidden, time_axis);
    return reverse() && lengths && first ? select(valid(previous), v, first) : v;
  }
  /// Slope of activation `which` from its value.
  Var slope(int which, Var y, bool clipped = true) const {
    const CellFunction f = a.function(functions, direction, which);
    const DType type = e.dtype(y);
    const auto number = [&](double v) { return e.scalar(type, v); };
    const double alpha = static_cast<double>(f.alpha), beta = static_cast<double>(f.beta);
    const Var negative = e.less(y, number(0));
    Var s = number(0);
    switch (f.kind) {
      case CellActivation::Sigmoid: s = y * one_minus(y); break;
      case CellActivation::Tanh: s = one_minus(y * y); break;
      case CellActivation::Relu: s = e.cast(e.less(number(0), y), type); break;
      case CellActivation::Affine: s = number(alpha); break;
      case CellActivation::LeakyRelu: s = e.where(negative, number(alpha), number(1)); break;
      case CellActivation::ThresholdedRelu: s = e.where(e.equal(y, number(0)), number(0), number(1)); break;
      case CellActivation::ScaledTanh: s = alpha == 0 ? number(0) : (alpha + -(y * y / alpha)) * beta; break;
      case CellActivation::HardSigmoid:
        s = e.where(e.logical_and(e.less(number(0), y), e.less(y, number(1))), number(alpha), number(0));
        break;
      case CellActivation::Elu: s = e.where(negative, y + alpha, number(1)); break;
      case CellActivation::Softsign: s = one_minus(e.where(negative, -y, y)), s = s * s; break;
      case CellActivation::Softplus: s = one_minus(e.exp(-y)); break;
    }
    if (!clipped || !(a.clip > 0)) return s;
    for (const double edge : {-static_cast<double>(a.clip), static_cast<double>(a.clip)}) {
      const double v = cell_activate(f.kind, edge, alpha, beta), room = cell_edge_room(v, type);
      const Var flat = e.logical_and(e.less_or_equal(number(v - room), y), e.less_or_equal(y, number(v + room)));
      s = e.where(flat, number(0), s);
    }
    return s;
  }
};

// What a walk gives: da by time, the state's gradients at its start.
struct Walked {
  Var da[kMostSteps];
  Var ds[kMostSteps];
  Var initial[2];
};

// Runs `walk_one(walk, result)` for each direction and puts the directions together. lengths: their input.
template <class WalkOne>
Error walk_all(Expander& e, const RecurrentAttrs& a, int functions, Dim steps, int lengths, int outputs, WalkOne&& walk_one) {
  if (!steps.is_const() || steps.lo < 1 || steps.lo > kMostSteps)
    return e.fail(Error::Unsupported, "second derivatives of a recurrence whose number of steps is unknown or above 1024");
  Var all[2][3];
  for (int64_t d = 0; d < a.directions(); ++d) {
    Walked result;
    walk_one(Walk{e, a, functions, d, steps.lo, e.input(lengths)}, result);
    for (Var* list : {result.da, result.ds})
      for (int64_t t = 0; t < steps.lo && list[t]; ++t) list[t] = e.unsqueeze(list[t], {0, 1});
    const auto count = static_cast<size_t>(steps.lo);
    all[d][0] = concat_all(e, {result.da, count}, 1);
    all[d][1] = e.unsqueeze(result.initial[0], {0});
    if (outputs > 2) all[d][2] = result.ds[0] ? concat_all(e, {result.ds, count}, 1) : e.unsqueeze(result.initial[1], {0});
  }
  for (int i = 0; i < outputs; ++i) {
    if (!e.wants_output(i)) continue;
    const Var both[2] = {all[0][i], all[1][i]};
    e.output(i, concat_all(e, {both, static_cast<size_t>(a.directions())}, 0));
  }
  return e.error();
}

}  // namespace

Error LstmGrad::formula(Expander& e, const Attrs& a) {
  const int64_t h = a.hidden;
  return walk_all(e, a, 3, e.shape(e.input(1))[1], 4, 3, [&](const Walk& w, Walked& result) {
    const Var r = w.of_direction(e.input(0)), p = w.of_direction(e.input(5));
    const auto peephole = [&](int64_t k) { return p ? part(e, p, 0, k * h, (k + 1) * h) : p; };
    Var dh = w.of_direction(e.input(7)), dc = w.of_direction(e.input(8));
    for (int64_t step = 0; step < w.steps; ++step) {
      const int64_t t = w.time(step);
      const auto gate = [&](int input, int64_t k) { return w.at(e.input(input), t, k * h, h); };
      const Var i = gate(1, 0), o = gate(1, 1), f = gate(1, 2), g = gate(1, 3), c = w.at(e.input(2), t, 0, h);
      const Var before = w.before(e.input(2), e.input(3), t, 1), valid = w.valid(t);
      const CellFunction last = a.function(3, w.direction, 2);
      const Var value = cell_value(e, last, c);
      Var g_h = sum_of(dh, w.at(e.input(6), t, 0, h, 0));
      if (!g_h) g_h = i * 0.0;
      const Var da_o = sum_of(g_h * value, gate(9, 1)) * w.slope(0, o);
      Var g_c = sum_of(sum_of(dc, gate(10, 0)), g_h * o * w.slope(2, value, false));
      if (p) g_c = g_c + peephole(1) * da_o;
      const Var da_g = sum_of(g_c * i, gate(9, 3)) * w.slope(1, g);
      const Var d_f = sum_of(before ? g_c * before : before, gate(9, 2));
      const Var d_i = sum_of(g_c * g, gate(9, 0));
      const Var none = i * 0.0;
      const Var da_f = a.option || !d_f ? none : d_f * w.slope(0, f);
      const Var da_i = (a.option && d_f ? d_i - d_f : d_i) * w.slope(0, i);
      const Var da = w.select(valid, e.concat({da_i, da_o, da_f, da_g}, 1), Var{&e, -1});
      Var c_before = g_c * f;
      if (p) c_before = c_before + peephole(0) * da_i + (a.option ? none : peephole(2) * da_f);
      dc = w.select(valid, c_before, dc);
      dh = w.select(valid, e.matmul(da, r), dh);
      result.da[t] = da;
    }
    result.initial[0] = dh;
    result.initial[1] = dc;
  });
}

Error GruGrad::formula(Expander& e, const Attrs& a) {
  const int64_t h = a.hidden;
  return walk_all(e, a, 2, e.shape(e.input(1))[1], 5, a.option ? 3 : 2, [&](const Walk& w, Walked& result) {
    const Var r = w.of_direction(e.input(0)), r_zr = part(e, r, 0, 0, 2 * h), r_h = part(e, r, 0, 2 * h, 3 * h);
    Var dh = w.of_direction(e.input(7));
    for (int64_t step = 0; step < w.steps; ++step) {
      const int64_t t = w.time(step);
      const auto gate = [&](int input, int64_t k) { return w.at(e.input(input), t, k * h, h); };
      const Var z = gate(1, 0), reset = gate(1, 1), n = gate(1, 2), kept = gate(2, 0), of_kept = gate(9, 0);
      const Var before = w.before(e.input(3), e.input(4), t, 0), valid = w.valid(t);
      Var g = sum_of(dh, w.at(e.input(6), t, 0, h, 0));
      if (!g) g = z * 0.0;
      const Var da_n = sum_of(g * one_minus(z), gate(8, 2)) * w.slope(1, n);
      const Var da_z = sum_of(g * (before ? before - n : -n), gate(8, 0)) * w.slope(0, z);
      Var back = g * z, d_reset = gate(8, 1), ds{};
      if (a.option) {
        const Var da_r = sum_of(da_n * kept, d_reset) * w.slope(0, reset);
        ds = e.concat({da_z, da_r, sum_of(da_n * reset, of_kept)}, 1);
        back = back + e.matmul(ds, r);
        result.ds[t] = w.select(valid, ds, Var{&e, -1});
        result.da[t] = w.select(valid, e.concat({da_z, da_r, da_n}, 1), Var{&e, -1});
      } else {
        const Var m = sum_of(e.matmul(da_n, r_h), of_kept);
        if (before) d_reset = sum_of(m * before, d_reset);
        const Var da_r = d_reset ? d_reset * w.slope(0, reset) : z * 0.0;
        back = back + m * reset + e.matmul(e.concat({da_z, da_r}, 1), r_zr);
        result.da[t] = w.select(valid, e.concat({da_z, da_r, da_n}, 1), Var{&e, -1});
      }
      dh = w.select(valid, back, dh);
    }
    result.initial[0] = dh;
  });
}

Error RnnGrad::formula(Expander& e, const Attrs& a) {
  return walk_all(e, a, 1, e.shape(e.input(1))[0], 2, 2, [&](const Walk& w, Walked& result) {
    const Var r = w.of_direction(e.input(0));
    Var dh = w.of_direction(e.input(4));
    for (int64_t step = 0; step < w.steps; ++step) {
      const int64_t t = w.time(step);
      const Var y = w.at(e.input(1), t, 0, a.hidden, 0), valid = w.valid(t);
      const Var g = sum_of(dh, w.at(e.input(3), t, 0, a.hidden, 0));
      const Var da = w.select(valid, g ? g * w.slope(0, y) : y * 0.0, Var{&e, -1});
      dh = w.select(valid, e.matmul(da, r), dh);
      result.da[t] = da;
    }
    result.initial[0] = dh;
  });
}

}  // namespace gf::op
