// lstm, gru and rnn in readable form: each (direction, sequence) is walked by one task, states and sums in double,
// results rounded when they are written. Gate formulas stand in schema/ops/{lstm,gru,rnn}.h.
#include <cmath>

#include "ops/cpu/recurrent.h"
#include "schema/ops/gru.h"
#include "schema/ops/lstm.h"
#include "schema/ops/rnn.h"

namespace gf::cpu {
namespace {

constexpr int64_t kChunk = 128;

enum class Cell : uint8_t { Rnn, Gru, Lstm };
constexpr int64_t gates_of(Cell cell) { return cell == Cell::Rnn ? 1 : (cell == Cell::Gru ? 3 : 4); }
constexpr int functions_of(Cell cell) { return cell == Cell::Rnn ? 1 : (cell == Cell::Gru ? 2 : 3); }

Error prepare(const NodeView& node, KernelPlan& plan, Cell cell) {
  const auto& a = node.attributes<RecurrentAttrs>();
  // x row, h, c, room for r * h and for its product, two sets of gates
  const int64_t doubles = node.input(0).shape[2] + (4 + 2 * gates_of(cell)) * a.hidden;
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(doubles) * sizeof(double);
  return Error::Ok;
}

/// out[k] = row (first_row + k) of a [.., width] matrix times `v`, for k in [0, rows).
void multiply(const TensorView& m, int64_t first_row, int64_t rows, int64_t width, const double* v, double* out) {
  double piece[kChunk];
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (int64_t from = 0; from < width; from += kChunk) {
      const int64_t count = width - from < kChunk ? width - from : kChunk;
      load(m, (first_row + r) * width + from, count, piece);
      for (int64_t k = 0; k < count; ++k) sum += piece[k] * v[from + k];
    }
    out[r] = sum;
  }
}

/// One direction of a node with its activations.
class Direction {
 public:
  Direction(const RunContext& c, const RecurrentAttrs& a, Cell cell, int64_t index)
      : c_(c), hidden_(a.hidden), index_(index), gates_(gates_of(cell)), clip_(static_cast<double>(a.clip)), option_(a.option) {
    for (int f = 0; f < functions_of(cell); ++f) functions_[f] = a.function(functions_of(cell), index, f);
  }

  /// gates = w x + r h, in two sets: what comes from the input (with both biases) and what comes from the state.
  void gates(const double* x, int64_t width, const double* h, double* from_input, double* from_state) const {
    multiply(c_.input(1), index_ * gates_ * hidden_, gates_ * hidden_, width, x, from_input);
    multiply(c_.input(2), index_ * gates_ * hidden_, gates_ * hidden_, hidden_, h, from_state);
    if (!c_.has_input(3)) return;
    for (int64_t k = 0; k < gates_ * hidden_; ++k) {
      from_input[k] += load_one<double>(c_.input(3), index_ * 2 * gates_ * hidden_ + k);
      from_state[k] += load_one<double>(c_.input(3), (index_ * 2 + 1) * gates_ * hidden_ + k);
    }
  }

  void step_rnn(const double* in, const double* state, double* h) const {
    for (int64_t j = 0; j < hidden_; ++j) h[j] = f(0, in[j] + state[j]);
  }

  /// `in` becomes the values of z, r and h~; `met` what r meets, as gru keeps it.
  void step_gru(double* in, const double* state, double* met, double* product, double* h) const {
    double *reset = in + hidden_, *candidate = in + 2 * hidden_;
    const double* state_h = state + 2 * hidden_;
    for (int64_t j = 0; j < 2 * hidden_; ++j) in[j] = f(0, in[j] + state[j]);
    if (!option_) {  // h~ uses r (reset * h): the product is made anew, with the bias once more
      for (int64_t j = 0; j < hidden_; ++j) met[j] = reset[j] * h[j];
      multiply(c_.input(2), (index_ * 3 + 2) * hidden_, hidden_, hidden_, met, product);
      for (int64_t j = 0; j < hidden_; ++j) {
        const double bias = c_.has_input(3) ? load_one<double>(c_.input(3), (index_ * 6 + 5) * hidden_ + j) : 0.0;
        candidate[j] = f(1, candidate[j] + product[j] + bias);
      }
    } else {
      for (int64_t j = 0; j < hidden_; ++j) {
        met[j] = state_h[j];
        candidate[j] = f(1, candidate[j] + reset[j] * met[j]);
      }
    }
    for (int64_t j = 0; j < hidden_; ++j) h[j] = (1 - in[j]) * candidate[j] + in[j] * h[j];
  }

  /// `in` becomes the values of i, o, f and g.
  void step_lstm(double* in, const double* state, double* cell, double* h) const {
    const auto sum = [&](int64_t gate, int64_t j) { return in[gate * hidden_ + j] + state[gate * hidden_ + j]; };
    const auto peephole = [&](int64_t gate, int64_t j) {
      return c_.has_input(7) ? load_one<double>(c_.input(7), (index_ * 3 + gate) * hidden_ + j) : 0.0;
    };
    for (int64_t j = 0; j < hidden_; ++j) {
      const double input = f(0, sum(0, j) + peephole(0, j) * cell[j]), value = f(1, sum(3, j));
      const double forget = option_ ? 1 - input : f(0, sum(2, j) + peephole(2, j) * cell[j]);
      cell[j] = forget * cell[j] + input * value;
      const double output = f(0, sum(1, j) + peephole(1, j) * cell[j]);
      h[j] = output * activate(2, cell[j]);
      in[j] = input;
      in[hidden_ + j] = output;
      in[2 * hidden_ + j] = forget;
      in[3 * hidden_ + j] = value;
    }
  }

 private:
  double f(int which, double x) const {
    if (clip_ > 0) x = x < -clip_ ? -clip_ : (x > clip_ ? clip_ : x);
    return activate(which, x);
  }
  double activate(int which, double x) const {
    const CellFunction& f = functions_[which];
    return cell_activate(f.kind, x, static_cast<double>(f.alpha), static_cast<double>(f.beta));
  }

  const RunContext& c_;
  int64_t hidden_, index_, gates_;
  double clip_;
  bool option_;
  CellFunction functions_[3] = {};
};

void load_state(const RunContext& c, int input, int64_t first, int64_t count, double* state) {
  if (c.has_input(input))
    load(c.input(input), first, count, state);
  else
    set_zero(state, count);
}

}  // namespace

Error check_lengths(const RunContext& c, int input, int64_t steps) {
  if (!c.has_input(input)) return Error::Ok;
  const TensorView& lengths = c.input(input);
  for (int64_t b = 0; b < lengths.count(); ++b)
    if (const int64_t n = lengths.as<const int32_t>()[b]; n < 0 || n > steps)
      return GF_FAIL(c.detail, Error::BadData, c.node, "sequence length %lld of entry %lld is outside [0, %lld]",
                     static_cast<long long>(n), static_cast<long long>(b), static_cast<long long>(steps));
  return Error::Ok;
}

namespace {

Error run(RunContext& c, Cell kind) {
  const auto& a = c.attributes<RecurrentAttrs>();
  const TensorView& x = c.input(0);
  const int64_t steps = x.shape[0], batch = x.shape[1], width = x.shape[2], hidden = a.hidden,
                directions = a.directions();
  const int64_t gates = gates_of(kind);
  GF_TRY(check_lengths(c, 4, steps));
  c.parallel(directions * batch, [&](int64_t task, int worker) {
    const int64_t d = task / batch, b = task % batch;
    const Direction direction(c, a, kind, d);
    const bool reverse = a.is_reverse(d);
    auto* row = c.scratch_of<double>(worker);
    double *h = row + width, *cell = h + hidden, *room = cell + hidden, *product = room + hidden, *in = product + hidden,
           *state = in + gates * hidden;
    load_state(c, 5, task * hidden, hidden, h);
    if (kind == Cell::Lstm) load_state(c, 6, task * hidden, hidden, cell);
    const int64_t length = c.has_input(4) ? c.input(4).as<const int32_t>()[b] : steps;
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = reverse && s < length ? length - 1 - s : s;
      if (s < length) {
        load(x, (t * batch + b) * width, width, row);
        direction.gates(row, width, h, in, state);
        if (kind == Cell::Rnn)
          direction.step_rnn(in, state, h);
        else if (kind == Cell::Gru)
          direction.step_gru(in, state, room, product, h);
        else
          direction.step_lstm(in, state, cell, h);
      } else {
        set_zero(room, hidden);
        set_zero(in, gates * hidden);
      }
      const auto keep = [&](int i, int64_t at, int64_t count, const double* values) {
        if (c.has_output(i)) store(c.output(i), at * count, count, values);
      };
      const int64_t by_direction = (d * steps + t) * batch + b;
      keep(0, (t * directions + d) * batch + b, hidden, s < length ? h : room);
      if (kind == Cell::Lstm) {
        keep(3, by_direction, 4 * hidden, in);
        keep(4, by_direction, hidden, s < length ? cell : room);
      } else if (kind == Cell::Gru) {
        keep(2, by_direction, 3 * hidden, in);
        keep(3, by_direction, hidden, room);
      }
    }
    if (c.has_output(1)) store(c.output(1), task * hidden, hidden, h);
    if (kind == Cell::Lstm && c.has_output(2)) store(c.output(2), task * hidden, hidden, cell);
  });
  return Error::Ok;
}

template <Cell kCell>
Error prepare_cell(const NodeView& node, KernelPlan& plan) {
  return prepare(node, plan, kCell);
}
template <Cell kCell>
Error run_cell(RunContext& c) {
  return run(c, kCell);
}

}  // namespace

extern const Kernel lstm_kernel, gru_kernel, rnn_kernel;
const Kernel lstm_kernel{.op = op::Lstm::info.id,
                         .name = "lstm_portable",
                         .rank = 1,
                         .prepare = prepare_cell<Cell::Lstm>,
                         .run = run_cell<Cell::Lstm>};
const Kernel gru_kernel{
    .op = op::Gru::info.id, .name = "gru_portable", .rank = 1, .prepare = prepare_cell<Cell::Gru>, .run = run_cell<Cell::Gru>};
const Kernel rnn_kernel{
    .op = op::Rnn::info.id, .name = "rnn_portable", .rank = 1, .prepare = prepare_cell<Cell::Rnn>, .run = run_cell<Cell::Rnn>};

}  // namespace gf::cpu
