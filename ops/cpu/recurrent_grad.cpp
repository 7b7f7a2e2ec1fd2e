// lstm_grad, gru_grad and rnn_grad in readable form: each (direction, sequence) is walked backwards by one task, the state's
// gradients in double. Formulas stand in schema/ops/{lstm,gru,rnn}_grad.h.
#include <algorithm>
#include <cmath>

#include "ops/cpu/recurrent.h"
#include "schema/ops/gru_grad.h"
#include "schema/ops/lstm_grad.h"
#include "schema/ops/rnn_grad.h"

namespace gf::cpu {
namespace {

constexpr int64_t kChunk = 128;
// Rows of `hidden` doubles that a task needs.
constexpr int64_t kLstmRows = 18, kGruRows = 16, kRnnRows = 4;

template <int64_t kRows>
Error prepare(const NodeView& node, KernelPlan& plan) {
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(kRows * node.attributes<RecurrentAttrs>().hidden) * sizeof(double);
  return Error::Ok;
}

struct WalkSizes {
  int functions, gates, lengths_input;
  int64_t steps, batch;
};

/// One direction of one sequence on its way back.
class Walk {
 public:
  Walk(const RunContext& c, const WalkSizes& s, int64_t task)
      : c_(c), a_(c.attributes<RecurrentAttrs>()), s_(s), direction_(task / s.batch), entry_(task % s.batch) {
    length_ = c.has_input(s.lengths_input) ? c.input(s.lengths_input).as<const int32_t>()[entry_] : s.steps;
    for (int f = 0; f < s.functions; ++f) {
      functions_[f] = a_.function(s.functions, direction_, f);
      for (int side = 0; side < 2; ++side) {
        const double clip = static_cast<double>(side == 0 ? -a_.clip : a_.clip);
        edges_[f][side] = cell_activate(functions_[f].kind, clip, alpha(f), beta(f));
      }
    }
  }

  int64_t hidden() const { return a_.hidden; }
  bool linear() const { return a_.option; }
  /// The time of the k-th step of the walk.
  int64_t time(int64_t k) const { return a_.is_reverse(direction_) ? k : s_.steps - 1 - k; }
  bool reaches(int64_t t) const { return t < length_; }

  // rows of inputs; zeros where the input is left out
  void read_steps(int i, int64_t t, int64_t width, double* to) const {
    read(i, ((direction_ * s_.steps + t) * s_.batch + entry_) * width, width, to);
  }
  void read_y(int i, int64_t t, double* to) const {
    read(i, ((t * a_.directions() + direction_) * s_.batch + entry_) * hidden(), hidden(), to);
  }
  void read_state(int i, double* to) const { read(i, (direction_ * s_.batch + entry_) * hidden(), hidden(), to); }
  double peephole(int i, int64_t gate, int64_t j) const {
    return c_.has_input(i) ? load_one<double>(c_.input(i), (direction_ * 3 + gate) * hidden() + j) : 0.0;
  }
  /// The step that the one at t started from; -1: the initial state.
  int64_t before(int64_t t) const {
    if (!a_.is_reverse(direction_)) return t - 1;
    return t + 1 < length_ ? t + 1 : -1;
  }

  /// Slope of activation f where its value is y; 0 where clip holds.
  double slope(int f, double y) const {
    if (a_.clip > 0)
      for (const double edge : edges_[f])
        if (std::fabs(y - edge) <= cell_edge_room(edge, c_.input(0).dtype)) return 0;
    return free_slope(f, y);
  }
  double free_slope(int f, double y) const { return cell_slope(functions_[f].kind, y, alpha(f), beta(f)); }
  double value(int f, double x) const { return cell_activate(functions_[f].kind, x, alpha(f), beta(f)); }

  /// out += v times rows [first, first + count) of r.
  void add_product(int64_t first, int64_t count, const double* v, double* out) const {
    double piece[kChunk];
    const TensorView& r = c_.input(0);
    for (int64_t k = 0; k < count; ++k) {
      const int64_t row = (direction_ * s_.gates * hidden() + first + k) * hidden();
      for (int64_t from = 0; from < hidden(); from += kChunk) {
        const int64_t n = std::min(kChunk, hidden() - from);
        load(r, row + from, n, piece);
        add_scaled(out + from, v[k], piece, n);
      }
    }
  }

  void write_steps(int output, int64_t t, int64_t first, int64_t count, const double* values) const {
    if (!c_.has_output(output)) return;
    const int64_t at = ((direction_ * s_.steps + t) * s_.batch + entry_) * s_.gates * hidden() + first;
    store(c_.output(output), at, count, values);
  }
  void write_state(int output, const double* values) const {
    if (!c_.has_output(output)) return;
    store(c_.output(output), (direction_ * s_.batch + entry_) * hidden(), hidden(), values);
  }

 private:
  double alpha(int f) const { return static_cast<double>(functions_[f].alpha); }
  double beta(int f) const { return static_cast<double>(functions_[f].beta); }
  void read(int i, int64_t first, int64_t count, double* to) const {
    if (c_.has_input(i)) load(c_.input(i), first, count, to);
    else set_zero(to, count);
  }

  const RunContext& c_;
  const RecurrentAttrs& a_;
  const WalkSizes& s_;
  int64_t direction_, entry_, length_;
  CellFunction functions_[3] = {};
  double edges_[3][2] = {};
};

void walk_lstm(const Walk& w, int64_t steps, double* rows) {
  const int64_t h = w.hidden();
  double *dh = rows, *dc = dh + h, *dy = dc + h, *cell = dy + h, *before = cell + h, *d_cell = before + h, *gate = d_cell + h,
         *d_gate = gate + 4 * h, *da = d_gate + 4 * h;
  w.read_state(7, dh);
  w.read_state(8, dc);
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t t = w.time(k);
    set_zero(da, 4 * h);
    if (!w.reaches(t)) {
      w.write_steps(0, t, 0, 4 * h, da);
      continue;
    }
    w.read_steps(1, t, 4 * h, gate);
    w.read_steps(2, t, h, cell);
    if (const int64_t from = w.before(t); from >= 0) w.read_steps(2, from, h, before);
    else w.read_state(3, before);
    w.read_y(6, t, dy);
    w.read_steps(9, t, 4 * h, d_gate);
    w.read_steps(10, t, h, d_cell);
    for (int64_t j = 0; j < h; ++j) {
      const double i = gate[j], o = gate[h + j], f = gate[2 * h + j], g = gate[3 * h + j];
      const double grad = dh[j] + dy[j], shown = w.value(2, cell[j]);
      const double da_o = (grad * shown + d_gate[h + j]) * w.slope(0, o);
      const double c = dc[j] + d_cell[j] + grad * o * w.free_slope(2, shown) + w.peephole(5, 1, j) * da_o;
      const double d_f = c * before[j] + d_gate[2 * h + j];
      double d_i = c * g + d_gate[j];
      if (w.linear()) d_i -= d_f;  // input_forget: f = 1 - i
      else da[2 * h + j] = d_f * w.slope(0, f);
      da[j] = d_i * w.slope(0, i);
      da[h + j] = da_o;
      da[3 * h + j] = (c * i + d_gate[3 * h + j]) * w.slope(1, g);
      dc[j] = c * f + w.peephole(5, 0, j) * da[j] + w.peephole(5, 2, j) * da[2 * h + j];
      dh[j] = 0;
    }
    w.add_product(0, 4 * h, da, dh);
    w.write_steps(0, t, 0, 4 * h, da);
  }
  w.write_state(1, dh);
  w.write_state(2, dc);
}

void walk_gru(const Walk& w, int64_t steps, double* rows) {
  const int64_t h = w.hidden();
  double *dh = rows, *dy = dh + h, *before = dy + h, *kept = before + h, *d_kept = kept + h, *met = d_kept + h, *back = met + h,
         *gate = back + h, *d_gate = gate + 3 * h, *da = d_gate + 3 * h;
  w.read_state(7, dh);
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t t = w.time(k);
    set_zero(da, 3 * h);
    if (!w.reaches(t)) {
      for (const int output : {0, 2}) w.write_steps(output, t, 0, 3 * h, da);
      continue;
    }
    w.read_steps(1, t, 3 * h, gate);
    w.read_steps(2, t, h, kept);
    if (const int64_t from = w.before(t); from >= 0) w.read_y(3, from, before);
    else w.read_state(4, before);
    w.read_y(6, t, dy);
    w.read_steps(8, t, 3 * h, d_gate);
    w.read_steps(9, t, h, d_kept);
    for (int64_t j = 0; j < h; ++j) {
      const double z = gate[j], n = gate[2 * h + j], grad = dh[j] + dy[j];
      da[j] = (grad * (before[j] - n) + d_gate[j]) * w.slope(0, z);
      da[2 * h + j] = (grad * (1 - z) + d_gate[2 * h + j]) * w.slope(1, n);
      back[j] = grad * z;
      met[j] = d_kept[j];
    }
    if (!w.linear()) w.add_product(2 * h, h, da + 2 * h, met);
    for (int64_t j = 0; j < h; ++j) {
      const double r = gate[h + j];
      const double d_r = w.linear() ? da[2 * h + j] * kept[j] : met[j] * before[j];
      da[h + j] = (d_r + d_gate[h + j]) * w.slope(0, r);
      if (w.linear()) met[j] += da[2 * h + j] * r;
      else back[j] += met[j] * r;
    }
    w.add_product(0, 2 * h, da, back);
    if (w.linear()) w.add_product(2 * h, h, met, back);
    std::copy_n(back, h, dh);
    w.write_steps(0, t, 0, 3 * h, da);
    w.write_steps(2, t, 0, 2 * h, da);
    w.write_steps(2, t, 2 * h, h, met);
  }
  w.write_state(1, dh);
}

void walk_rnn(const Walk& w, int64_t steps, double* rows) {
  const int64_t h = w.hidden();
  double *dh = rows, *dy = dh + h, *y = dy + h, *da = y + h;
  w.read_state(4, dh);
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t t = w.time(k);
    set_zero(da, h);
    if (w.reaches(t)) {
      w.read_y(1, t, y);
      w.read_y(3, t, dy);
      for (int64_t j = 0; j < h; ++j) {
        da[j] = (dh[j] + dy[j]) * w.slope(0, y[j]);
        dh[j] = 0;
      }
      w.add_product(0, h, da, dh);
    }
    w.write_steps(0, t, 0, h, da);
  }
  w.write_state(1, dh);
}

using WalkFn = void (*)(const Walk& w, int64_t steps, double* rows);

Error run(RunContext& c, int functions, int gates, int lengths, WalkFn walk) {
  const Shape& da = c.output(0).shape;
  const WalkSizes sizes{functions, gates, lengths, da[1], da[2]};
  GF_TRY(check_lengths(c, lengths, sizes.steps));
  c.parallel(da[0] * da[2], [&](int64_t task, int worker) { walk(Walk(c, sizes, task), sizes.steps, c.scratch_of<double>(worker)); });
  return Error::Ok;
}
Error run_lstm(RunContext& c) { return run(c, 3, 4, 4, walk_lstm); }
Error run_gru(RunContext& c) { return run(c, 2, 3, 5, walk_gru); }
Error run_rnn(RunContext& c) { return run(c, 1, 1, 2, walk_rnn); }

}  // namespace

extern const Kernel lstm_grad_kernel, gru_grad_kernel, rnn_grad_kernel;
const Kernel lstm_grad_kernel{.op = op::LstmGrad::info.id,
                              .name = "lstm_grad_portable",
                              .rank = 1,
                              .prepare = prepare<kLstmRows>,
                              .run = run_lstm};
const Kernel gru_grad_kernel{.op = op::GruGrad::info.id,
                             .name = "gru_grad_portable",
                             .rank = 1,
                             .prepare = prepare<kGruRows>,
                             .run = run_gru};
const Kernel rnn_grad_kernel{.op = op::RnnGrad::info.id,
                             .name = "rnn_grad_portable",
                             .rank = 1,
                             .prepare = prepare<kRnnRows>,
                             .run = run_rnn};

}  // namespace gf::cpu
