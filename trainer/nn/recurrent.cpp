#include "trainer/nn/recurrent.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions.h"

namespace gf::nn {

Recurrent::Recurrent(int64_t gates, int64_t in, int64_t hidden, const RecurrentOptions& options)
    : gates_(gates), hidden_(hidden), bias_(options.bias), both_ways_(options.bidirectional) {
  if (in < 1 || hidden < 1 || options.layers < 1)
    throw Exception(Error::InvalidArgument, "a recurrent layer needs at least one input, one hidden unit and one layer");
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto parameter = [&](const std::string& name, Shape64 shape) { return register_parameter(name, init::uniform(std::move(shape), -bound, bound)); };
  for (int64_t k = 0; k < options.layers; ++k) {
    const int64_t width = k == 0 ? in : hidden * (both_ways_ ? 2 : 1);
    auto& layer = layers_.emplace_back();
    for (int way = 0; way < (both_ways_ ? 2 : 1); ++way) {
      const std::string end = "_l" + std::to_string(k) + (way == 1 ? "_reverse" : "");
      Direction d;
      d.weight_ih = parameter("weight_ih" + end, {gates * hidden, width});
      d.weight_hh = parameter("weight_hh" + end, {gates * hidden, hidden});
      if (bias_) {
        d.bias_ih = parameter("bias_ih" + end, {gates * hidden});
        d.bias_hh = parameter("bias_hh" + end, {gates * hidden});
      }
      layer.push_back(std::move(d));
    }
  }
}

Tensor Recurrent::in_op_order(const Tensor& t) const {
  const std::vector<Tensor> gates = split(t, Shape64(static_cast<size_t>(gates_), hidden_));
  std::vector<Tensor> ordered;
  for (const int64_t g : gate_order()) ordered.push_back(gates[static_cast<size_t>(g)]);
  return cat(ordered);
}

Tensor Recurrent::forward(const Tensor& x) {
  if (x.rank() != 3)
    throw Exception(Error::ShapeMismatch, "a recurrent layer takes [batch, length, in], not " + io::shape_text(x.shape()));
  Tensor y = permute(x, {1, 0, 2});
  for (const auto& layer : layers_) {
    std::vector<Tensor> w, r, b;
    for (const Direction& d : layer) {
      w.push_back(in_op_order(d.weight_ih));
      r.push_back(in_op_order(d.weight_hh));
      if (bias_) b.push_back(cat({in_op_order(d.bias_ih), in_op_order(d.bias_hh)}));
    }
    const Tensor all = run(y, stack(w), stack(r), bias_ ? stack(b) : Tensor(), both_ways_);  // [length, directions, batch, hidden]
    y = reshape(permute(all, {0, 2, 1, 3}), {all.size(0), all.size(2), all.size(1) * all.size(3)});
  }
  return permute(y, {1, 0, 2});
}

Tensor LSTM::run(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, bool both_ways) const {
  op::Lstm::Attrs attrs;
  attrs.hidden = hidden();
  if (both_ways) attrs.direction = RecurrentDirection::Both;
  return apply<op::Lstm>({x, w, r, b}, attrs);
}

Tensor GRU::run(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, bool both_ways) const {
  op::Gru::Attrs attrs;
  attrs.hidden = hidden();
  attrs.option = true;  // linear_before_reset
  if (both_ways) attrs.direction = RecurrentDirection::Both;
  return apply<op::Gru>({x, w, r, b}, attrs);
}

}  // namespace gf::nn
