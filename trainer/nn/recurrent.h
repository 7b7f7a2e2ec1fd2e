// Recurrent layers as modules, with PyTorch's parameters, names and first values (torch.nn 2.13), batch first.
#pragma once

#include "trainer/nn/dropout.h"
#include "trainer/nn/module.h"

namespace gf::nn {

struct RecurrentOptions {
  int64_t layers = 1;
  bool bias = true;
  bool bidirectional = false;
  double dropout = 0;        ///< between layers, in training
  /// > 0: h is a product of so many rows with the cell's output (PyTorch's proj_size; Sak et al. 2014). LSTM only; its steps are recorded one
  /// by one, so that a program is as long as its sequences.
  int64_t projection = 0;
};

/// What goes on from step to step: h and, of an LSTM, c; [layers * directions, batch, hidden] (h of a projected LSTM: projection). Empty: zeros.
struct RecurrentState {
  Tensor h = {}, c = {};
};

/// What RNN, LSTM and GRU share: parameters "weight_ih_l0" [gates * hidden, in], "weight_hh_l0" [gates * hidden, hidden], "bias_ih_l0",
/// "bias_hh_l0" [gates * hidden]; of a projected LSTM "weight_hr_l0" [projection, hidden] besides (hidden is then projection where h is read); "_l1" and so on for further
/// layers, "_reverse" behind for the way back.
class Recurrent : public Module {
 public:
  /// x [batch, length, in] to [batch, length, hidden], twice hidden when bidirectional. Begins with zeros.
  Tensor forward(const Tensor& x) override { return forward(x, RecurrentState{}).first; }
  /// From a given state; the second result is the last one. lengths: int64 [batch], steps that count (PyTorch's packed sequences); behind
  /// them y is 0.
  std::pair<Tensor, RecurrentState> forward(const Tensor& x, const RecurrentState& state, const Tensor& lengths = {});

 protected:
  struct Step {
    Tensor y, h, c;
  };
  /// `projects`: options.projection may be set.
  Recurrent(int64_t gates, int64_t in, int64_t hidden, const RecurrentOptions& options, bool projects = false);
  /// The op on one layer: inputs x [length, batch, in], w and r [directions, gates * hidden, ..], b [directions, 2 * gates * hidden],
  /// lengths, h and c [directions, batch, hidden], projections [directions, projection, hidden]; from b on they may be empty.
  virtual Step run(const std::vector<Tensor>& inputs, bool both_ways) const = 0;
  /// ONNX's order of the gates as places in PyTorch's.
  virtual Shape64 gate_order() const = 0;
  int64_t hidden() const { return hidden_; }

 private:
  struct Direction {
    Tensor weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
  };
  Tensor in_op_order(const Tensor& t) const;

  int64_t gates_, hidden_;
  bool bias_, both_ways_;
  std::vector<std::vector<Direction>> layers_;
  std::shared_ptr<Dropout> dropout_;
};

/// Hochreiter and Schmidhuber 1997; gates i, f, g, o.
class LSTM final : public Recurrent {
 public:
  LSTM(int64_t in, int64_t hidden, const RecurrentOptions& options = {}) : Recurrent(4, in, hidden, options, true) {}

 private:
  Step run(const std::vector<Tensor>& inputs, bool both_ways) const override;
  Step projected(const std::vector<Tensor>& inputs, int64_t way) const;
  Shape64 gate_order() const override { return {0, 3, 1, 2}; }
};

/// Cho et al. 2014, the reset gate after the product; gates r, z, n.
class GRU final : public Recurrent {
 public:
  GRU(int64_t in, int64_t hidden, const RecurrentOptions& options = {}) : Recurrent(3, in, hidden, options) {}

 private:
  Step run(const std::vector<Tensor>& inputs, bool both_ways) const override;
  Shape64 gate_order() const override { return {1, 0, 2}; }
};

/// Elman 1990: h = tanh(x W^T + h R^T + b), or relu.
class RNN final : public Recurrent {
 public:
  RNN(int64_t in, int64_t hidden, const RecurrentOptions& options = {}, bool relu = false) : Recurrent(1, in, hidden, options), relu_(relu) {}

 private:
  Step run(const std::vector<Tensor>& inputs, bool both_ways) const override;
  Shape64 gate_order() const override { return {0}; }

  bool relu_;
};

/// One step of a layer: x [batch, in], states [batch, hidden]; parameters weight_ih, weight_hh, bias_ih, bias_hh.
class RecurrentCell : public Module {
 public:
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  RecurrentCell(int64_t gates, int64_t in, int64_t hidden, bool bias);
  /// Zeros where no state is given.
  Tensor or_zeros(const Tensor& state, const Tensor& x) const;
};
class RNNCell final : public RecurrentCell {
 public:
  RNNCell(int64_t in, int64_t hidden, bool bias = true, bool relu = false) : RecurrentCell(1, in, hidden, bias), relu_(relu) {}
  Tensor forward(const Tensor& x) override { return forward(x, Tensor()); }
  Tensor forward(const Tensor& x, const Tensor& h);

 private:
  bool relu_;
};
class GRUCell final : public RecurrentCell {
 public:
  GRUCell(int64_t in, int64_t hidden, bool bias = true) : RecurrentCell(3, in, hidden, bias) {}
  Tensor forward(const Tensor& x) override { return forward(x, Tensor()); }
  Tensor forward(const Tensor& x, const Tensor& h);
};
class LSTMCell final : public RecurrentCell {
 public:
  LSTMCell(int64_t in, int64_t hidden, bool bias = true) : RecurrentCell(4, in, hidden, bias) {}
  Tensor forward(const Tensor& x) override { return forward(x, RecurrentState{}).h; }
  RecurrentState forward(const Tensor& x, const RecurrentState& state);  ///< h and c [batch, hidden]
};

}  // namespace gf::nn
