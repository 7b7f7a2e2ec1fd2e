// Layers as modules, with PyTorch's parameters, names and first values (torch.nn 2.13).
#pragma once

#include <functional>

#include "trainer/nn/functional.h"
#include "trainer/nn/module.h"

namespace gf::nn {

class Linear final : public Module {
 public:
  Linear(int64_t in, int64_t out, bool bias = true);
  Tensor forward(const Tensor& x) override { return linear(x, weight, this->bias); }
  Tensor weight, bias;  ///< [out, in], [out]
};

struct Conv2dOptions {
  Pair stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};
class Conv2d final : public Module {
 public:
  Conv2d(int64_t in, int64_t out, Pair kernel, const Conv2dOptions& options = {});
  Tensor forward(const Tensor& x) override {
    return conv2d(x, weight, bias, options_.stride, options_.padding, options_.dilation, options_.groups);
  }
  Tensor weight, bias;  ///< [out, in / groups, h, w], [out]

 private:
  Conv2dOptions options_;
};

class LayerNorm final : public Module {
 public:
  explicit LayerNorm(Shape64 shape, double eps = 1e-5);
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
  double momentum = 0.1;   ///< part of the batch's statistics in the running ones
};
/// Images [N, C, H, W], per channel (Ioffe and Szegedy 2015). Training: by the batch's mean and biased variance, and the running ones take
/// them in (the variance unbiased); evaluation: by the running ones.
class BatchNorm2d final : public Module {
 public:
  explicit BatchNorm2d(int64_t channels, const BatchNormOptions& options = {});
  Tensor forward(const Tensor& x) override;
  Tensor weight, bias, running_mean, running_var;  ///< [C]

 private:
  BatchNormOptions options_;
};

/// Training: elements are zero with probability p, the others divided by 1 - p; evaluation: x itself. The mask comes from Philox: one key
/// per layer, one draw per call.
class Dropout final : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
  int64_t key_;
  Tensor draws_;  ///< int64, calls so far
};

/// Rows of a table by integers.
class Embedding final : public Module {
 public:
  Embedding(int64_t count, int64_t dim);
  Tensor forward(const Tensor& indices) override { return embedding(indices, weight); }
  Tensor weight;  ///< [count, dim], normal
};

/// A function as a module: ReLU, Flatten, pools, ...
class Lambda final : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) override { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};

/// One after the other; parameters are called "0.weight", "2.weight", ... as in PyTorch.
class Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<std::shared_ptr<Module>> modules);
  void append(std::shared_ptr<Module> module);
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<std::shared_ptr<Module>> layers_;
};

/// Attention of x over itself with several heads: PyTorch's MultiheadAttention(batch_first) with x as query, key and value.
class SelfAttention final : public Module {
 public:
  SelfAttention(int64_t dim, int64_t heads, bool causal = false, bool bias = true);
  Tensor forward(const Tensor& x) override;  ///< [batch, length, dim]
  Tensor in_proj_weight, in_proj_bias;       ///< [3 dim, dim], [3 dim]: query, key, value

 private:
  int64_t heads_;
  bool causal_;
  std::shared_ptr<Linear> out_proj_;
};

}  // namespace gf::nn
