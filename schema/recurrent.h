// What lstm, gru and rnn share: attributes, activations and shapes. Tensors as in ONNX: x [length, batch, in], w
// [directions, gates * hidden, in], r [directions, gates * hidden, hidden], b [directions, 2 * gates * hidden],
// sequence lengths int32 [batch], initial state [directions, batch, hidden]; y [length, directions, batch, hidden].
#pragma once

#include <cmath>

#include "schema/op.h"

namespace gf {

/// Values stand in files.
enum class RecurrentDirection : uint8_t { Forward = 0, Reverse = 1, Both = 2 };

/// Activations that ONNX allows inside a cell; a and b are its alpha and beta. Values stand in files.
enum class CellActivation : uint8_t {
  Sigmoid = 0, Tanh = 1, Relu = 2, Affine = 3, LeakyRelu = 4, ThresholdedRelu = 5, ScaledTanh = 6, HardSigmoid = 7,
  Elu = 8, Softsign = 9, Softplus = 10,
};
inline constexpr int64_t kLastCellActivation = 10;

template <class C>
C cell_activate(CellActivation f, C x, C a, C b) {
  const C zero = 0, one = 1;
  switch (f) {
    case CellActivation::Sigmoid: return one / (one + std::exp(-x));
    case CellActivation::Tanh: return std::tanh(x);
    case CellActivation::Relu: return x < zero ? zero : x;
    case CellActivation::Affine: return a * x + b;
    case CellActivation::LeakyRelu: return x < zero ? a * x : x;
    case CellActivation::ThresholdedRelu: return x < a ? zero : x;
    case CellActivation::ScaledTanh: return a * std::tanh(b * x);
    case CellActivation::HardSigmoid: {
      const C v = a * x + b;
      return v < zero ? zero : (v > one ? one : v);
    }
    case CellActivation::Elu: return x < zero ? a * std::expm1(x) : x;
    case CellActivation::Softsign: return x / (one + std::fabs(x));
    case CellActivation::Softplus: return (x > zero ? x : zero) + std::log1p(std::exp(-std::fabs(x)));
  }
  return x;
}

/// Derivative of an activation, from its value y: what a cell keeps for its gradient. At kinks as PyTorch chooses. Only where
/// has_cell_slope(f, a).
template <class C>
C cell_slope(CellActivation f, C y, C a, C b) {
  const C zero = 0, one = 1;
  switch (f) {
    case CellActivation::Sigmoid: return y * (one - y);
    case CellActivation::Tanh: return one - y * y;
    case CellActivation::Relu: return y > zero ? one : zero;
    case CellActivation::Affine: return a;
    case CellActivation::LeakyRelu: return y < zero ? a : one;
    case CellActivation::ThresholdedRelu: return y == zero ? zero : one;
    case CellActivation::ScaledTanh: return a == zero ? zero : b * (a - y * y / a);
    case CellActivation::HardSigmoid: return y > zero && y < one ? a : zero;
    case CellActivation::Elu: return y < zero ? y + a : one;
    case CellActivation::Softsign: {
      const C rest = one - std::fabs(y);
      return rest * rest;
    }
    case CellActivation::Softplus: return -std::expm1(-y);
  }
  return zero;
}
/// Whether the value of an activation tells its slope: with a negative alpha two slopes give the same value.
constexpr bool has_cell_slope(CellActivation f, float alpha) {
  return (f != CellActivation::LeakyRelu && f != CellActivation::Elu) || alpha >= 0;
}

/// An activation with its parameters.
struct CellFunction {
  CellActivation kind;
  float alpha, beta;
};

struct RecurrentAttrs {
  int64_t hidden = 0;
  RecurrentDirection direction = RecurrentDirection::Forward;
  /// CellActivation numbers, as many per direction as the cell has (lstm 3, gru 2, rnn 1); empty: the cell's usual ones.
  IntList activations = {};
  FloatList activation_alpha = {};  ///< one per activation; empty: 0
  FloatList activation_beta = {};   ///< same
  float clip = 0;              ///< > 0: inputs of the activations are kept in [-clip, clip]
  bool option = false;         ///< lstm: input_forget; gru: linear_before_reset

  int64_t directions() const { return direction == RecurrentDirection::Both ? 2 : 1; }
  /// Whether direction d walks from the last step to the first.
  bool is_reverse(int64_t d) const { return direction == RecurrentDirection::Reverse || d == 1; }
  /// Activation `which` of direction d; a cell has `functions` of them. The usual ones: sigmoid for gates, tanh for values.
  CellFunction function(int functions, int64_t d, int which) const {
    const auto k = static_cast<size_t>(d * functions + which);
    const bool gate = functions > 1 && which == 0;
    return {activations.empty() ? (gate ? CellActivation::Sigmoid : CellActivation::Tanh) : static_cast<CellActivation>(activations[k]),
            activation_alpha.empty() ? 0 : activation_alpha[k], activation_beta.empty() ? 0 : activation_beta[k]};
  }
};

/// Checks attributes of a cell with that many activations.
inline Error check_recurrent(InferContext& c, const RecurrentAttrs& a, int functions) {
  if (a.hidden < 1 || a.hidden > (int64_t{1} << 30))
    return c.fail(Error::BadAttribute, "hidden is %lld, must be at least 1", static_cast<long long>(a.hidden));
  if (a.clip < 0) return c.fail(Error::BadAttribute, "clip is %g, must not be negative", static_cast<double>(a.clip));
  const size_t count = a.activations.size(), wanted = static_cast<size_t>(functions * a.directions());
  if (count != 0 && count != wanted)
    return c.fail(Error::BadAttribute, "%zu activations, expected %zu", count, wanted);
  for (const int64_t f : a.activations)
    if (f < 0 || f > kLastCellActivation)
      return c.fail(Error::BadAttribute, "activation %lld does not exist", static_cast<long long>(f));
  for (const FloatList list : {a.activation_alpha, a.activation_beta})
    if (!list.empty() && list.size() != count)
      return c.fail(Error::BadAttribute, "%zu activation parameters for %zu activations", list.size(), count);
  return Error::Ok;
}

/// Checks inputs x, w, r, b, lengths, initial state (0 to 5) and sets outputs 0 (y) and 1 (the last state).
inline Error infer_recurrent(InferContext& c, const RecurrentAttrs& a, int gates, int functions) {
  GF_TRY(c.expect_type(0, kFloats));
  for (int i = 0; i < 3; ++i) GF_TRY(c.expect_rank(i, 3));
  for (const int i : {1, 2, 3, 5})
    if (c.has_input(i)) GF_TRY(c.expect_same_type(0, i));
  GF_TRY(check_recurrent(c, a, functions));
  const int64_t directions = a.directions();
  const DimShape& x = c.shape(0);
  const Dim rows = gates * a.hidden;
  const auto expect = [&](int i, Dim d0, Dim d1, Dim d2, const char* what) {
    GF_TRY(c.expect_rank(i, 3));
    GF_TRY(c.expect_equal(c.shape(i)[0], d0, what));
    GF_TRY(c.expect_equal(c.shape(i)[1], d1, what));
    return c.expect_equal(c.shape(i)[2], d2, what);
  };
  GF_TRY(expect(1, directions, rows, x[2], "w is not [directions, gates * hidden, input]"));
  GF_TRY(expect(2, directions, rows, a.hidden, "r is not [directions, gates * hidden, hidden]"));
  if (c.has_input(3)) {
    GF_TRY(c.expect_rank(3, 2));
    GF_TRY(c.expect_equal(c.shape(3)[0], directions, "b is not [directions, 2 * gates * hidden]"));
    GF_TRY(c.expect_equal(c.shape(3)[1], 2 * gates * a.hidden, "b is not [directions, 2 * gates * hidden]"));
  }
  if (c.has_input(4)) {
    GF_TRY(c.expect_type(4, dtypes(DType::I32)));
    GF_TRY(c.expect_rank(4, 1));
    GF_TRY(c.expect_equal(c.shape(4)[0], x[1], "one sequence length per batch entry is needed"));
  }
  if (c.has_input(5)) GF_TRY(expect(5, directions, x[1], a.hidden, "the initial state is not [directions, batch, hidden]"));
  DimShape y, last;
  y.push(x[0]);
  for (DimShape* s : {&y, &last}) {
    s->push(directions);
    s->push(x[1]);
    s->push(a.hidden);
  }
  GF_TRY(c.set(0, c.dtype(0), y));
  return c.set(1, c.dtype(0), last);
}

/// Sets optional output i to what gradients read of every step: [directions, length, batch, width], 0 past a sequence's end.
inline Error set_steps(InferContext& c, const RecurrentAttrs& a, int i, int64_t width) {
  DimShape steps;
  for (const Dim d : {Dim(a.directions()), c.shape(0)[0], c.shape(0)[1], Dim(width)}) steps.push(d);
  return c.set(i, c.dtype(0), steps);
}

}  // namespace gf
