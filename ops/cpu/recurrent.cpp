// lstm, gru and rnn in readable form: each (direction, sequence) is walked by one task, states and sums in double,
// results rounded when they are written. Gate formulas stand in schema/ops/{lstm,gru,rnn}.h.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "schema/ops/gru.h"
#include "schema/ops/lstm.h"
#include "schema/ops/rnn.h"

namespace gf::cpu {
namespace {

constexpr int64_t kChunk = 128;

enum class Cell : uint8_t { Rnn, Gru, Lstm };
constexpr int64_t gates_of(Cell cell) { return cell == Cell::Rnn ? 1 : (cell == Cell::Gru ? 3 : 4); }
constexpr int functions_of(Cell cell) { return cell == Cell::Rnn ? 1 : (cell == Cell::Gru ? 2 : 3); }

template <Cell kCell>
Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<RecurrentAttrs>();
  // x row, h, c, two sets of gates, room for r * h
  const int64_t doubles = node.input(0).shape[2] + (3 + 2 * gates_of(kCell)) * a.hidden;
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
      load(m.dtype, m.data, (first_row + r) * width + from, 1, count, piece);
      for (int64_t k = 0; k < count; ++k) sum += piece[k] * v[from + k];
    }
    out[r] = sum;
  }
}

/// One direction of a node with its activations.
template <Cell kCell>
class Direction {
 public:
  static constexpr int64_t kGates = gates_of(kCell);

  Direction(const RunContext& c, const RecurrentAttrs& a, int64_t index)
      : c_(c), hidden_(a.hidden), index_(index), clip_(static_cast<double>(a.clip)), option_(a.option) {
    constexpr CellActivation kUsual[3][3] = {{CellActivation::Tanh},
                                             {CellActivation::Sigmoid, CellActivation::Tanh},
                                             {CellActivation::Sigmoid, CellActivation::Tanh, CellActivation::Tanh}};
    for (int f = 0; f < functions_of(kCell); ++f) {
      const size_t k = static_cast<size_t>(index * functions_of(kCell) + f);
      functions_[f] =
          a.activations.empty() ? kUsual[static_cast<int>(kCell)][f] : static_cast<CellActivation>(a.activations[k]);
      alpha_[f] = a.activation_alpha.empty() ? 0 : static_cast<double>(a.activation_alpha[k]);
      beta_[f] = a.activation_beta.empty() ? 0 : static_cast<double>(a.activation_beta[k]);
    }
  }

  /// gates = w x + r h, in two sets: what comes from the input (with both biases) and what comes from the state.
  void gates(const double* x, int64_t width, const double* h, double* from_input, double* from_state) const {
    multiply(c_.input(1), index_ * kGates * hidden_, kGates * hidden_, width, x, from_input);
    multiply(c_.input(2), index_ * kGates * hidden_, kGates * hidden_, hidden_, h, from_state);
    if (!c_.has_input(3)) return;
    for (int64_t k = 0; k < kGates * hidden_; ++k) {
      from_input[k] += load_one<double>(c_.input(3), index_ * 2 * kGates * hidden_ + k);
      from_state[k] += load_one<double>(c_.input(3), (index_ * 2 + 1) * kGates * hidden_ + k);
    }
  }

  void step_rnn(const double* in, const double* state, double* h) const {
    for (int64_t j = 0; j < hidden_; ++j) h[j] = f(0, in[j] + state[j]);
  }

  void step_gru(double* in, const double* state, double* room, double* h) const {
    const double *in_h = in + 2 * hidden_, *state_h = state + 2 * hidden_;
    double* reset = in + hidden_;
    for (int64_t j = 0; j < 2 * hidden_; ++j) in[j] = f(0, in[j] + state[j]);
    if (!option_) {  // h~ uses r (reset * h): the product is made anew, with the bias once more
      for (int64_t j = 0; j < hidden_; ++j) room[j] = reset[j] * h[j];
      double* product = reset;  // reset is used up
      multiply(c_.input(2), (index_ * 3 + 2) * hidden_, hidden_, hidden_, room, product);
      for (int64_t j = 0; j < hidden_; ++j) {
        const double bias = c_.has_input(3) ? load_one<double>(c_.input(3), (index_ * 6 + 5) * hidden_ + j) : 0.0;
        room[j] = f(1, in_h[j] + product[j] + bias);
      }
    } else {
      for (int64_t j = 0; j < hidden_; ++j) room[j] = f(1, in_h[j] + reset[j] * state_h[j]);
    }
    for (int64_t j = 0; j < hidden_; ++j) h[j] = (1 - in[j]) * room[j] + in[j] * h[j];
  }

  void step_lstm(const double* in, const double* state, double* cell, double* h) const {
    const auto sum = [&](int64_t gate, int64_t j) { return in[gate * hidden_ + j] + state[gate * hidden_ + j]; };
    const auto peephole = [&](int64_t gate, int64_t j) {
      return c_.has_input(7) ? load_one<double>(c_.input(7), (index_ * 3 + gate) * hidden_ + j) : 0.0;
    };
    for (int64_t j = 0; j < hidden_; ++j) {
      const double input = f(0, sum(0, j) + peephole(0, j) * cell[j]);
      const double forget = option_ ? 1 - input : f(0, sum(2, j) + peephole(2, j) * cell[j]);
      cell[j] = forget * cell[j] + input * f(1, sum(3, j));
      const double output = f(0, sum(1, j) + peephole(1, j) * cell[j]);
      h[j] = output * cell_activate(functions_[2], cell[j], alpha_[2], beta_[2]);
    }
  }

 private:
  double f(int which, double x) const {
    if (clip_ > 0) x = x < -clip_ ? -clip_ : (x > clip_ ? clip_ : x);
    return cell_activate(functions_[which], x, alpha_[which], beta_[which]);
  }

  const RunContext& c_;
  int64_t hidden_, index_;
  double clip_;
  bool option_;
  CellActivation functions_[3] = {};
  double alpha_[3] = {}, beta_[3] = {};
};

void load_state(const RunContext& c, int input, int64_t first, int64_t count, double* state) {
  if (c.has_input(input))
    load(c.input(input).dtype, c.input(input).data, first, 1, count, state);
  else
    for (int64_t j = 0; j < count; ++j) state[j] = 0;
}

Error check_lengths(const RunContext& c, int64_t steps) {
  if (!c.has_input(4)) return Error::Ok;
  const TensorView& lengths = c.input(4);
  for (int64_t b = 0; b < lengths.count(); ++b)
    if (const int64_t n = lengths.as<const int32_t>()[b]; n < 0 || n > steps)
      return GF_FAIL(c.detail, Error::BadData, c.node, "sequence length %lld of entry %lld is outside [0, %lld]",
                     static_cast<long long>(n), static_cast<long long>(b), static_cast<long long>(steps));
  return Error::Ok;
}

template <Cell kCell>
Error run(RunContext& c) {
  const auto& a = c.attributes<RecurrentAttrs>();
  const TensorView& x = c.input(0);
  const int64_t steps = x.shape[0], batch = x.shape[1], width = x.shape[2], hidden = a.hidden,
                directions = a.directions();
  const int64_t gates = gates_of(kCell);
  GF_TRY(check_lengths(c, steps));
  c.parallel(directions * batch, [&](int64_t task, int worker) {
    const int64_t d = task / batch, b = task % batch;
    const Direction<kCell> direction(c, a, d);
    const bool reverse = a.direction == RecurrentDirection::Reverse || d == 1;
    auto* row = c.scratch_of<double>(worker);
    double *h = row + width, *cell = h + hidden, *room = cell + hidden, *in = room + hidden,
           *state = in + gates * hidden;
    load_state(c, 5, task * hidden, hidden, h);
    if (kCell == Cell::Lstm) load_state(c, 6, task * hidden, hidden, cell);
    const int64_t length = c.has_input(4) ? c.input(4).as<const int32_t>()[b] : steps;
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = reverse && s < length ? length - 1 - s : s;
      if (s < length) {
        load(x.dtype, x.data, (t * batch + b) * width, 1, width, row);
        direction.gates(row, width, h, in, state);
        if constexpr (kCell == Cell::Rnn)
          direction.step_rnn(in, state, h);
        else if constexpr (kCell == Cell::Gru)
          direction.step_gru(in, state, room, h);
        else
          direction.step_lstm(in, state, cell, h);
      } else {
        for (int64_t j = 0; j < hidden; ++j) room[j] = 0;
      }
      if (c.has_output(0))
        store(c.output(0).dtype, c.output(0).data, ((t * directions + d) * batch + b) * hidden, hidden,
              s < length ? h : room);
    }
    if (c.has_output(1)) store(c.output(1).dtype, c.output(1).data, task * hidden, hidden, h);
    if (c.has_output(2)) store(c.output(2).dtype, c.output(2).data, task * hidden, hidden, cell);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel lstm_kernel, gru_kernel, rnn_kernel;
const Kernel lstm_kernel{.op = op::Lstm::info.id,
                         .name = "lstm_portable",
                         .rank = 1,
                         .prepare = prepare<Cell::Lstm>,
                         .run = run<Cell::Lstm>};
const Kernel gru_kernel{
    .op = op::Gru::info.id, .name = "gru_portable", .rank = 1, .prepare = prepare<Cell::Gru>, .run = run<Cell::Gru>};
const Kernel rnn_kernel{
    .op = op::Rnn::info.id, .name = "rnn_portable", .rank = 1, .prepare = prepare<Cell::Rnn>, .run = run<Cell::Rnn>};

}  // namespace gf::cpu
