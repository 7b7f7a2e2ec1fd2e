// Gradients of products: matmul, einsum.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

// With op() the transposes and ds = dy: y = alpha op(a) op(b) + bias + scale residual, so d op(a) = alpha ds op(b)^T,
// d op(b) = alpha op(a)^T ds. A matrix b that all batches share gets one product over all rows.
Error MatMul::grad(D& d, const Attrs& m) {
  if (m.activation != Activation::None) return d.differentiate_expansion();
  const Var dy = d.dy();
  (void)d.give(2, dy);
  if (d.wants(3)) (void)d.give(3, m.residual_scale == 1 ? dy : dy * static_cast<double>(m.residual_scale));
  const bool row = d.rank(d.input(0)) == 1, column = d.rank(d.input(1)) == 1;  // vectors are matrices of one row, one column
  Var a = row ? d.unsqueeze(d.input(0), {0}) : d.input(0), b = column ? d.unsqueeze(d.input(1), {1}) : d.input(1), ds = dy;
  if (row) ds = d.unsqueeze(ds, {column ? -1 : -2});
  if (column) ds = d.unsqueeze(ds, {-1});
  bool ta = m.transpose_a && !row;
  const bool tb = m.transpose_b && !column;
  if (d.wants(0)) {
    const Var da = ta ? d.node<MatMul>({b, ds}, {.transpose_a = tb, .transpose_b = true, .alpha = m.alpha, .precision = m.precision})
                      : d.node<MatMul>({ds, b}, {.transpose_b = !tb, .alpha = m.alpha, .precision = m.precision});
    (void)d.give(0, da);
  }
  if (!d.wants(1)) return d.error();
  if (d.rank(b) == 2 && d.rank(a) > 2) {
    const int64_t last = d.rank(a) - 1;
    a = d.node<Flatten>({ta ? d.swap_last_axes(a) : a}, {.axis = last});
    ds = d.node<Flatten>({ds}, {.axis = last});
    ta = false;
  }
  const Var db = tb ? d.node<MatMul>({ds, a}, {.transpose_a = true, .transpose_b = ta, .alpha = m.alpha, .precision = m.precision})
                    : d.node<MatMul>({a, ds}, {.transpose_a = !ta, .alpha = m.alpha, .precision = m.precision});
  return d.give(1, column ? d.squeeze(db, {-1}) : db);
}

namespace {

// Writes equations: every label of a plan gets a letter of its own.
struct Equation {
  char text[EinsumPlan::kMaxOperands * (kMaxRank + 1) + kMaxRank + 3] = {};
  size_t size = 0;
  char letters[EinsumPlan::kLabels] = {};
  int given = 0;

  void put(char c) { text[size++] = c; }
  bool put_label(int label) {
    if (letters[label] == 0) {
      if (given >= 52) return false;
      letters[label] = static_cast<char>(given < 26 ? 'a' + given : 'A' + (given - 26));
      ++given;
    }
    put(letters[label]);
    return true;
  }
};

// 1 where the two equal letters of a diagonal have equal indices: [n, 1 ...] against [n].
Var diagonal(D& d, Var x, int first, int second, DType type) {
  const int rank = d.rank(x);
  const auto along = [&](int axis) {
    Var v = d.count_up(d.length(x, axis));
    int64_t axes[kMaxRank];
    size_t n = 0;
    for (int k = 1; k < rank - axis; ++k) axes[n++] = k;
    return n == 0 ? v : d.node<Unsqueeze>({v}, {.axes = IntList(axes, n)});
  };
  return d.numbers(d.equal(along(first), along(second)), type);
}

// d operand i = einsum of dy and the other operands with the term of i as output. Letters that only operand i has were summed
// away: its gradient is the same along them. A letter twice in the term takes a diagonal: the rest gets zero.
Error einsum_operand(D& d, const EinsumPlan& plan, int i) {
  Equation e;
  bool available[EinsumPlan::kLabels] = {};
  Var operands[EinsumPlan::kMaxOperands];
  size_t count = 0;
  bool fits = true;
  operands[count++] = d.dy();
  for (int k = 0; k < plan.output_rank; ++k) {
    fits = fits && e.put_label(plan.output[k]);
    available[plan.output[k]] = true;
  }
  for (int j = 0; j < plan.operands; ++j) {
    if (j == i) continue;
    e.put(',');
    operands[count++] = d.input(j);
    for (int k = 0; k < plan.ranks[j]; ++k) {
      fits = fits && e.put_label(plan.axes[j][k]);
      available[plan.axes[j][k]] = true;
    }
  }
  e.put('-');
  e.put('>');
  const Var x = d.input(i);
  int seen[EinsumPlan::kLabels], twice[kMaxRank][2], twos = 0;
  for (int& s : seen) s = -1;
  int64_t missing[kMaxRank];
  size_t gaps = 0;
  for (int k = 0; k < plan.ranks[i]; ++k) {
    const int label = plan.axes[i][k];
    if (seen[label] >= 0) {
      twice[twos][0] = seen[label];
      twice[twos++][1] = k;
      missing[gaps++] = k;
      continue;
    }
    seen[label] = k;
    if (available[label]) fits = fits && e.put_label(label);
    else missing[gaps++] = k;
  }
  if (!fits) return d.fail(Error::LimitExceeded, "the gradient of an einsum with more than 52 axes");
  Var g;
  const Einsum::Attrs attrs{.equation = {e.text, e.size}};
  d.emit(op_def<Einsum>, {operands, count}, &attrs, {&g, 1});
  if (gaps > 0) g = d.node<Unsqueeze>({g}, {.axes = IntList(missing, gaps)});
  for (int k = 0; k < twos; ++k) g = g * diagonal(d, x, twice[k][0], twice[k][1], d.dtype(x));
  return d.give(i, g);
}

}  // namespace

Error Einsum::grad(D& d, const Attrs& a) {
  int ranks[EinsumPlan::kMaxOperands] = {};
  for (int i = 0; i < d.input_count(); ++i) ranks[i] = d.rank(d.input(i));
  EinsumPlan plan;
  if (const char* wrong = plan.parse(a.equation, ranks, d.input_count())) return d.fail(Error::BadAttribute, wrong);
  for (int i = 0; i < plan.operands; ++i)
    if (d.wants(i)) (void)einsum_operand(d, plan, i);
  return d.error();
}

}  // namespace gf::op
