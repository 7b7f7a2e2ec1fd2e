// Small blocks that nets are built of. Parameters of torchvision's and transformers' modules have their names here.
#pragma once

#include <functional>

#include "trainer/nn/layers.h"

namespace gf::nn {

using Activate = Tensor (*)(const Tensor&);

/// Two linear layers with an activation between: linear1, linear2.
class FeedForward final : public Module {
 public:
  FeedForward(int64_t dim, int64_t hidden, Activate activation = relu, double dropout = 0, bool bias = true);
  Tensor forward(const Tensor& x) override;

 private:
  Activate activation_;
  std::shared_ptr<Linear> linear1_, linear2_;
  std::shared_ptr<Dropout> dropout_;
};

/// down(silu(gate(x)) up(x)) (Shazeer 2020): gate_proj, up_proj, down_proj.
class SwiGLU final : public Module {
 public:
  SwiGLU(int64_t dim, int64_t hidden, bool bias = false);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Linear> gate_, up_, down_;
};

/// Channels times gate(fc2(activation(fc1(their means)))) (Hu et al. 2018): torchvision's SqueezeExcitation, fc1 and fc2 being 1x1 Conv2d.
class SEBlock final : public Module {
 public:
  SEBlock(int64_t channels, int64_t squeezed, Activate activation = relu, Activate gate = sigmoid);
  Tensor forward(const Tensor& x) override;  ///< [N, C, H, W]

 private:
  Activate activation_, gate_;
  std::shared_ptr<Conv2d> fc1_, fc2_;
};

/// Attention over channels, then over places (Woo et al. 2018): fc1, fc2 without biases on means and maxima; a convolution without bias
/// over the channels' mean and maximum.
class CBAM final : public Module {
 public:
  explicit CBAM(int64_t channels, int64_t reduction = 16, int64_t kernel = 7);
  Tensor forward(const Tensor& x) override;  ///< [N, C, H, W]

 private:
  std::shared_ptr<Linear> fc1_, fc2_;
  std::shared_ptr<Conv2d> conv_;
};

/// Maxima over grids of these sizes, one behind the other: [N, C, H, W] to [N, C (sum of squares)] (He et al. 2015).
class SPP final : public Module {
 public:
  explicit SPP(Shape64 levels = {4, 2, 1}) : levels_(std::move(levels)) {}
  Tensor forward(const Tensor& x) override;

 private:
  Shape64 levels_;
};

/// A frozen linear layer plus alpha / rank times B A x (Hu et al. 2022): lora_A [rank, in] (Kaiming, a = sqrt 5), lora_B [out, rank] (zeros).
class LoRA final : public Module {
 public:
  LoRA(std::shared_ptr<Linear> base, int64_t rank, double alpha = 1);
  Tensor forward(const Tensor& x) override;
  /// The base layer's weight with the product added in.
  Tensor merged_weight() const;
  Tensor lora_a, lora_b;

 private:
  std::shared_ptr<Linear> base_;
  double scale_;
};

/// Every token through its `active` best experts, weighted by a softmax over their scores (Shazeer et al. 2017, without noise): gate (Linear
/// without bias), experts. All experts compute all tokens; the weights of those not chosen are 0.
class MixtureOfExperts final : public Module {
 public:
  MixtureOfExperts(int64_t dim, int64_t count, int64_t active, const std::function<std::shared_ptr<Module>()>& expert);
  Tensor forward(const Tensor& x) override;  ///< [..., dim]

 private:
  int64_t active_;
  std::shared_ptr<Linear> gate_;
  std::shared_ptr<ModuleList<>> experts_;
};

}  // namespace gf::nn
