#include "trainer/nn/recurrent.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/nn/init.h"
#include "trainer/nn/functional.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

Recurrent::Recurrent(int64_t gates, int64_t in, int64_t hidden, const RecurrentOptions& options, bool projects)
    : gates_(gates), hidden_(hidden), bias_(options.bias), both_ways_(options.bidirectional) {
  if (in < 1 || hidden < 1 || options.layers < 1)
    throw Exception(Error::InvalidArgument, "a recurrent layer needs at least one input, one hidden unit and one layer");
  if (options.projection < 0 || options.projection >= hidden || (options.projection > 0 && !projects))
    throw Exception(Error::InvalidArgument, "a recurrent layer: projection " + std::to_string(options.projection) + "; an LSTM may have one, smaller than its hidden size");
  const int64_t given = options.projection > 0 ? options.projection : hidden;  // what layers and steps hand on
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto parameter = [&](const std::string& name, Shape64 shape) { return register_parameter(name, init::uniform(std::move(shape), -bound, bound)); };
  for (int64_t k = 0; k < options.layers; ++k) {
    const int64_t width = k == 0 ? in : given * (both_ways_ ? 2 : 1);
    auto& layer = layers_.emplace_back();
    for (int way = 0; way < (both_ways_ ? 2 : 1); ++way) {
      const std::string end = "_l" + std::to_string(k) + (way == 1 ? "_reverse" : "");
      Direction d;
      d.weight_ih = parameter("weight_ih" + end, {gates * hidden, width});
      d.weight_hh = parameter("weight_hh" + end, {gates * hidden, given});
      if (bias_) {
        d.bias_ih = parameter("bias_ih" + end, {gates * hidden});
        d.bias_hh = parameter("bias_hh" + end, {gates * hidden});
      }
      if (options.projection > 0) d.weight_hr = parameter("weight_hr" + end, {given, hidden});
      layer.push_back(std::move(d));
    }
  }
  dropout_ = register_module("dropout", std::make_shared<Dropout>(options.dropout));
}

Tensor Recurrent::in_op_order(const Tensor& t) const {
  const std::vector<Tensor> gates = split(t, Shape64(static_cast<size_t>(gates_), hidden_));
  std::vector<Tensor> ordered;
  for (const int64_t g : gate_order()) ordered.push_back(gates[static_cast<size_t>(g)]);
  return cat(ordered);
}

std::pair<Tensor, RecurrentState> Recurrent::forward(const Tensor& x, const RecurrentState& state, const Tensor& lengths) {
  if (x.rank() != 3)
    throw Exception(Error::ShapeMismatch, "a recurrent layer takes [batch, length, in], not " + io::shape_text(x.shape()));
  const int64_t ways = both_ways_ ? 2 : 1;
  const auto of_layer = [&](const Tensor& t, size_t k) {
    const auto from = static_cast<int64_t>(k) * ways;
    return t ? narrow(t, 0, from, from + ways) : Tensor();
  };
  const Tensor steps = lengths ? cast(lengths, DType::I32) : Tensor();
  Tensor y = permute(x, {1, 0, 2});
  std::vector<Tensor> last_h, last_c;
  for (size_t k = 0; k < layers_.size(); ++k) {
    std::vector<Tensor> w, r, b, p;
    for (const Direction& d : layers_[k]) {
      w.push_back(in_op_order(d.weight_ih));
      r.push_back(in_op_order(d.weight_hh));
      if (bias_) b.push_back(cat({in_op_order(d.bias_ih), in_op_order(d.bias_hh)}));
      if (d.weight_hr) p.push_back(d.weight_hr);
    }
    if (k > 0) y = (*dropout_)(y);
    const Step s = run({y, stack(w), stack(r), bias_ ? stack(b) : Tensor(), steps, of_layer(state.h, k), of_layer(state.c, k), p.empty() ? Tensor() : stack(p)}, both_ways_);
    y = reshape(permute(s.y, {0, 2, 1, 3}), {s.y.size(0), s.y.size(2), s.y.size(1) * s.y.size(3)});  // from [length, directions, batch, hidden]
    last_h.push_back(s.h);
    if (s.c) last_c.push_back(s.c);
  }
  return {permute(y, {1, 0, 2}), {cat(last_h), last_c.empty() ? Tensor() : cat(last_c)}};
}

Recurrent::Step LSTM::run(const std::vector<Tensor>& inputs, bool both_ways) const {
  if (inputs[7]) {
    Step all = projected(inputs, 0);
    if (!both_ways) return all;
    const Step back = projected(inputs, 1);
    return {cat({all.y, back.y}, 1), cat({all.h, back.h}), cat({all.c, back.c})};
  }
  op::Lstm::Attrs attrs;
  attrs.hidden = hidden();
  if (both_ways) attrs.direction = RecurrentDirection::Both;
  const std::vector<Tensor> r = apply(op_def<op::Lstm>, &attrs, std::span(inputs).first(7), 3);
  return {r[0], r[1], r[2]};
}

// One direction, step by step; gates in the op's order: i, o, f, c. Steps behind the end of a sequence give 0 and change no state.
Recurrent::Step LSTM::projected(const std::vector<Tensor>& inputs, int64_t way) const {
  const lazy::Call call("LSTM");
  const Tensor& x = inputs[0];
  const auto of_way = [&](size_t i) { return inputs[i] ? select(inputs[i], 0, way) : Tensor(); };
  const Tensor w = of_way(1), r = of_way(2), p = of_way(7);
  const auto state = [&](size_t i, int64_t width) { return inputs[i] ? of_way(i) : expand(number_like(x, 0), {x.size(1), width}); };
  Tensor h = state(5, p.size(0)), c = state(6, hidden()), of_inputs = linear(x, w);
  if (const Tensor b = of_way(3)) {
    const std::vector<Tensor> halves = chunk(b, 2);
    of_inputs = of_inputs + (halves[0] + halves[1]);
  }
  const int64_t length = x.size(0);
  std::vector<Tensor> y(static_cast<size_t>(length));
  for (int64_t k = 0; k < length; ++k) {
    const int64_t t = way == 0 ? k : length - 1 - k;
    const std::vector<Tensor> g = chunk(select(of_inputs, 0, t) + linear(h, r), 4, 1);
    const Tensor next_c = sigmoid(g[2]) * c + sigmoid(g[0]) * tanh(g[3]), next_h = linear(sigmoid(g[1]) * tanh(next_c), p);
    if (!inputs[4]) {
      y[static_cast<size_t>(t)] = h = next_h;
      c = next_c;
      continue;
    }
    const Tensor counts = unsqueeze(gt(inputs[4], static_cast<double>(t)), 1);
    y[static_cast<size_t>(t)] = where(counts, next_h, number_like(next_h, 0));
    h = where(counts, next_h, h);
    c = where(counts, next_c, c);
  }
  return {unsqueeze(stack(y), 1), unsqueeze(h, 0), unsqueeze(c, 0)};
}

Recurrent::Step GRU::run(const std::vector<Tensor>& inputs, bool both_ways) const {
  op::Gru::Attrs attrs;
  attrs.hidden = hidden();
  attrs.option = true;  // linear_before_reset
  if (both_ways) attrs.direction = RecurrentDirection::Both;
  const std::vector<Tensor> r = apply(op_def<op::Gru>, &attrs, std::span(inputs).first(6), 2);
  return {r[0], r[1], {}};
}

Recurrent::Step RNN::run(const std::vector<Tensor>& inputs, bool both_ways) const {
  static constexpr int64_t kRelu[] = {static_cast<int64_t>(CellActivation::Relu), static_cast<int64_t>(CellActivation::Relu)};
  op::Rnn::Attrs attrs;
  attrs.hidden = hidden();
  if (relu_) attrs.activations = IntList(kRelu, both_ways ? 2 : 1);
  if (both_ways) attrs.direction = RecurrentDirection::Both;
  const std::vector<Tensor> r = apply(op_def<op::Rnn>, &attrs, std::span(inputs).first(6), 2);
  return {r[0], r[1], {}};
}

RecurrentCell::RecurrentCell(int64_t gates, int64_t in, int64_t hidden, bool bias) {
  if (in < 1 || hidden < 1) throw Exception(Error::InvalidArgument, "a recurrent cell needs at least one input and one hidden unit");
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  weight_ih = register_parameter("weight_ih", init::uniform({gates * hidden, in}, -bound, bound));
  weight_hh = register_parameter("weight_hh", init::uniform({gates * hidden, hidden}, -bound, bound));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", init::uniform({gates * hidden}, -bound, bound));
  bias_hh = register_parameter("bias_hh", init::uniform({gates * hidden}, -bound, bound));
}
Tensor RecurrentCell::or_zeros(const Tensor& state, const Tensor& x) const {
  return state ? state : expand(number_like(x, 0), {x.size(0), weight_hh.size(1)});
}

Tensor RNNCell::forward(const Tensor& x, const Tensor& h) {
  const lazy::Call call("RNNCell");
  const Tensor y = linear(x, weight_ih, bias_ih) + linear(or_zeros(h, x), weight_hh, bias_hh);
  return relu_ ? gf::relu(y) : tanh(y);
}

Tensor GRUCell::forward(const Tensor& x, const Tensor& given) {
  const lazy::Call call("GRUCell");
  const Tensor h = or_zeros(given, x);
  const std::vector<Tensor> a = chunk(linear(x, weight_ih, bias_ih), 3, 1), b = chunk(linear(h, weight_hh, bias_hh), 3, 1);
  const Tensor r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]), n = tanh(a[2] + r * b[2]);
  return n + z * (h - n);
}

RecurrentState LSTMCell::forward(const Tensor& x, const RecurrentState& state) {
  const lazy::Call call("LSTMCell");
  const std::vector<Tensor> g = chunk(linear(x, weight_ih, bias_ih) + linear(or_zeros(state.h, x), weight_hh, bias_hh), 4, 1);
  const Tensor c = sigmoid(g[1]) * or_zeros(state.c, x) + sigmoid(g[0]) * tanh(g[2]);
  return {sigmoid(g[3]) * tanh(c), c};
}

}  // namespace gf::nn
