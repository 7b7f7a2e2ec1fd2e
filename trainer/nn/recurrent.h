// Recurrent layers as modules, with PyTorch's parameters, names and first values (torch.nn 2.13), batch first.
#pragma once

#include "trainer/nn/module.h"

namespace gf::nn {

struct RecurrentOptions {
  int64_t layers = 1;
  bool bias = true;
  bool bidirectional = false;
};

/// What LSTM and GRU share: parameters "weight_ih_l0" [gates * hidden, in], "weight_hh_l0" [gates * hidden, hidden], "bias_ih_l0",
/// "bias_hh_l0" [gates * hidden]; "_l1" and so on for further layers, "_reverse" behind for the way back.
class Recurrent : public Module {
 public:
  /// x [batch, length, in] to [batch, length, hidden], twice hidden when bidirectional. Begins with zeros.
  Tensor forward(const Tensor& x) override;

 protected:
  Recurrent(int64_t gates, int64_t in, int64_t hidden, const RecurrentOptions& options);
  /// The op on one layer: x [length, batch, in], w and r [directions, gates * hidden, ..], b [directions, 2 * gates * hidden] or empty.
  virtual Tensor run(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, bool both_ways) const = 0;
  /// ONNX's order of the gates as places in PyTorch's.
  virtual Shape64 gate_order() const = 0;
  int64_t hidden() const { return hidden_; }

 private:
  struct Direction {
    Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  };
  Tensor in_op_order(const Tensor& t) const;

  int64_t gates_, hidden_;
  bool bias_, both_ways_;
  std::vector<std::vector<Direction>> layers_;
};

/// Hochreiter and Schmidhuber 1997; gates i, f, g, o.
class LSTM final : public Recurrent {
 public:
  LSTM(int64_t in, int64_t hidden, const RecurrentOptions& options = {}) : Recurrent(4, in, hidden, options) {}

 private:
  Tensor run(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, bool both_ways) const override;
  Shape64 gate_order() const override { return {0, 3, 1, 2}; }
};

/// Cho et al. 2014, the reset gate after the product; gates r, z, n.
class GRU final : public Recurrent {
 public:
  GRU(int64_t in, int64_t hidden, const RecurrentOptions& options = {}) : Recurrent(3, in, hidden, options) {}

 private:
  Tensor run(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, bool both_ways) const override;
  Shape64 gate_order() const override { return {1, 0, 2}; }
};

}  // namespace gf::nn
