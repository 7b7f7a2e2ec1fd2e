// Normalisations as functions and modules, with PyTorch's parameters, names and meanings (torch.nn 2.13). Signals are [N, C, space...].
// Throws gf::Exception with the function's or the module's name: ShapeMismatch, BadAttribute.
#pragma once

#include "trainer/nn/module.h"
#include "trainer/tensor/functions.h"

namespace gf::nn {

/// Over the last axes, as many as weight has.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, double eps = 1e-5);
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps = 1e-5);
/// (x - mean) / sqrt(var + eps) weight + bias per channel of [N, C, space...], by given statistics.
Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias, double eps = 1e-5);
/// Each group of channels of each sample (Wu and He 2018); weight, bias [C] or empty.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
/// Each channel of each sample (Ulyanov et al. 2016).
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
/// x / (k + alpha / size * sum of squares over `size` channels around)^beta (Krizhevsky et al. 2012).
Tensor local_response_norm(const Tensor& x, int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1);
/// x over its p-norm along an axis, which counts as eps at least.
Tensor normalize(const Tensor& x, double p = 2, int64_t axis = 1, double eps = 1e-12);
/// v over its norm for each slice of axis 0, times g (Salimans and Kingma 2016).
Tensor weight_norm(const Tensor& v, const Tensor& g);

class LayerNorm final : public Module {
 public:
  explicit LayerNorm(Shape64 shape, double eps = 1e-5, bool bias = true);
  Tensor forward(const Tensor& x) override { return layer_norm(x, weight, bias, eps_); }
  Tensor weight, bias;

 private:
  double eps_;
};

class RMSNorm final : public Module {
 public:
  explicit RMSNorm(Shape64 shape, double eps = 1e-5);
  Tensor forward(const Tensor& x) override { return rms_norm(x, weight, eps_); }
  Tensor weight;

 private:
  double eps_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;            ///< part of the batch's statistics in the running ones
  bool affine = true;               ///< with weight and bias
  bool track_running_stats = true;  ///< without: the batch's statistics in evaluation too
};
/// Per channel over batch and space (Ioffe and Szegedy 2015). Training: by the batch's mean and biased variance, and the running ones take
/// them in (the variance unbiased); evaluation: by the running ones.
class BatchNorm : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias, running_mean, running_var;  ///< [C]

 protected:
  /// Inputs have at least and at most so many axes.
  BatchNorm(const char* name, int min_rank, int max_rank, int64_t channels, const BatchNormOptions& options);

 private:
  const char* name_;
  int min_rank_, max_rank_;
  int64_t channels_;
  BatchNormOptions options_;
};
class BatchNorm1d final : public BatchNorm {  ///< [N, C] or [N, C, L]
 public:
  explicit BatchNorm1d(int64_t channels, const BatchNormOptions& options = {}) : BatchNorm("BatchNorm1d", 2, 3, channels, options) {}
};
class BatchNorm2d final : public BatchNorm {
 public:
  explicit BatchNorm2d(int64_t channels, const BatchNormOptions& options = {}) : BatchNorm("BatchNorm2d", 4, 4, channels, options) {}
};
class BatchNorm3d final : public BatchNorm {
 public:
  explicit BatchNorm3d(int64_t channels, const BatchNormOptions& options = {}) : BatchNorm("BatchNorm3d", 5, 5, channels, options) {}
};

class GroupNorm final : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps = 1e-5, bool affine = true);
  Tensor forward(const Tensor& x) override { return group_norm(x, groups_, weight, bias, eps_); }
  Tensor weight, bias;  ///< [C]

 private:
  int64_t groups_;
  double eps_;
};

/// PyTorch's InstanceNorm1d, 2d and 3d, for any number of axes. `track_running_stats`: means over the batch of the instances' means and
/// unbiased variances run along in training, and evaluation goes by them.
class InstanceNorm final : public Module {
 public:
  explicit InstanceNorm(int64_t channels, double eps = 1e-5, bool affine = false, bool track_running_stats = false, double momentum = 0.1);
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias;                ///< [C] when affine
  Tensor running_mean, running_var;   ///< [C] when tracked

 private:
  double eps_, momentum_;
};

class LocalResponseNorm final : public Module {
 public:
  explicit LocalResponseNorm(int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1) : size_(size), alpha_(alpha), beta_(beta), k_(k) {}
  Tensor forward(const Tensor& x) override { return local_response_norm(x, size_, alpha_, beta_, k_); }

 private:
  int64_t size_;
  double alpha_, beta_, k_;
};

/// Norm of each slice of axis 0, [n, 1, ...], known at once; a random vector of length 1.
Tensor slice_norms(const Tensor& v);
Tensor random_unit_vector(int64_t n, double eps);

/// A layer with members weight and bias whose weight is weight_norm(weight_v, weight_g): Linear, Conv1d, ... The parameters are weight_g
/// [out, 1, ...], weight_v and the layer's bias.
template <class Layer>
class WeightNorm final : public Module {
 public:
  explicit WeightNorm(std::shared_ptr<Layer> layer) : layer_(std::move(layer)) {
    if (layer_->bias) bias = register_parameter("bias", layer_->bias);
    weight_g = register_parameter("weight_g", slice_norms(layer_->weight));
    weight_v = register_parameter("weight_v", layer_->weight);
  }
  Tensor forward(const Tensor& x) override {
    layer_->weight = weight_norm(weight_v, weight_g);
    return (*layer_)(x);
  }
  Tensor weight_g, weight_v, bias;

 private:
  std::shared_ptr<Layer> layer_;
};

/// The largest singular value of weight as a matrix [out, rest] by power iteration from u [out] and v [rest], which become `next_u`
/// and `next_v` (Miyato et al. 2018). Gradients pass through the weight alone.
Tensor spectral_norm(const Tensor& weight, const Tensor& u, const Tensor& v, int64_t iterations, double eps, Tensor& next_u, Tensor& next_v);

/// A layer whose weight is weight_orig over its largest singular value. Buffers weight_u, weight_v; an iteration per call in training.
template <class Layer>
class SpectralNorm final : public Module {
 public:
  explicit SpectralNorm(std::shared_ptr<Layer> layer, int64_t iterations = 1, double eps = 1e-12) : layer_(std::move(layer)), iterations_(iterations), eps_(eps) {
    if (layer_->bias) bias = register_parameter("bias", layer_->bias);
    weight_orig = register_parameter("weight_orig", layer_->weight);
    weight_u = register_buffer("weight_u", random_unit_vector(weight_orig.size(0), eps));
    weight_v = register_buffer("weight_v", random_unit_vector(weight_orig.numel() / weight_orig.size(0), eps));
  }
  Tensor forward(const Tensor& x) override {
    Tensor u, v;
    const Tensor sigma = spectral_norm(weight_orig, weight_u, weight_v, is_training() ? iterations_ : 0, eps_, u, v);
    if (is_training()) {
      weight_u.follow(u);
      weight_v.follow(v);
    }
    layer_->weight = weight_orig / sigma;
    return (*layer_)(x);
  }
  Tensor weight_orig, weight_u, weight_v, bias;

 private:
  std::shared_ptr<Layer> layer_;
  int64_t iterations_;
  double eps_;
};

}  // namespace gf::nn
