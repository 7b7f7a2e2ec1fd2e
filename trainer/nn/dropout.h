// Dropout in its forms, with PyTorch's meanings (torch.nn 2.13). Masks come from Philox: one key per layer, one draw per call. Evaluation
// gives x itself. Constructors throw InvalidArgument where p is outside [0, 1).
#pragma once

#include "trainer/nn/module.h"

namespace gf::nn {

/// What the layers share: a key, and a counter of calls that is part of Module::full_state().
class RandomMasks : public Module {
 protected:
  RandomMasks(const char* layer, double p);
  bool is_active() const { return is_training() && p_ > 0; }
  double p() const { return p_; }
  /// x with elements zero with probability p, the others divided by 1 - p.
  Tensor drop(const Tensor& x) { return draw(x, 0); }
  /// bool of x's shape: true with probability 1 - p.
  Tensor mask(const Tensor& x) { return draw(x.detach(), 1); }

 private:
  Tensor draw(const Tensor& x, size_t output);

  double p_;
  int64_t key_;
  Tensor draws_;  ///< int64, calls so far
};

class Dropout final : public RandomMasks {
 public:
  explicit Dropout(double p = 0.5) : RandomMasks("Dropout", p) {}
  Tensor forward(const Tensor& x) override { return is_active() ? drop(x) : x; }
  using RandomMasks::is_active;
};

/// Whole channels of [N, C, space...] (Tompson et al. 2015): PyTorch's Dropout1d, 2d and 3d.
class ChannelDropout final : public RandomMasks {
 public:
  explicit ChannelDropout(double p = 0.5) : RandomMasks("Dropout2d", p) {}
  Tensor forward(const Tensor& x) override;
};
using Dropout1d = ChannelDropout;
using Dropout2d = ChannelDropout;
using Dropout3d = ChannelDropout;

/// Keeps the mean 0 and variance 1 of what SELU gives (Klambauer et al. 2017).
class AlphaDropout final : public RandomMasks {
 public:
  explicit AlphaDropout(double p = 0.5) : RandomMasks("AlphaDropout", p) {}
  Tensor forward(const Tensor& x) override;
};

}  // namespace gf::nn
