// Activations as functions and as modules, with PyTorch's meanings and defaults (torch.nn 2.13); relu, gelu, silu, tanh, sigmoid, softmax
// and log_softmax as functions stand in trainer/tensor/functions.h. At kinks as PyTorch, but for hardtanh and relu6, whose gradient
// passes at the limits as that of clamp does.
#pragma once

#include "trainer/nn/module.h"
#include "trainer/tensor/functions.h"

namespace gf::nn {

Tensor relu6(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// slope: one number, or one per channel (axis 1).
Tensor prelu(const Tensor& x, const Tensor& slope);
Tensor elu(const Tensor& x, double alpha = 1);
Tensor celu(const Tensor& x, double alpha = 1);
Tensor selu(const Tensor& x);
Tensor mish(const Tensor& x);
/// log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
Tensor softsign(const Tensor& x);
Tensor hardtanh(const Tensor& x, double min = -1, double max = 1);
Tensor hardsigmoid(const Tensor& x);
Tensor hardswish(const Tensor& x);
Tensor hardshrink(const Tensor& x, double lambda = 0.5);
Tensor softshrink(const Tensor& x, double lambda = 0.5);
Tensor tanhshrink(const Tensor& x);
Tensor logsigmoid(const Tensor& x);
Tensor softmin(const Tensor& x, int64_t axis);
/// The first half of an axis times the sigmoid of the second. Throws InvalidArgument where it has no halves.
Tensor glu(const Tensor& x, int64_t axis = -1);
Tensor threshold(const Tensor& x, double threshold, double value);
/// The largest of every `pieces` neighbours of an axis (Goodfellow et al. 2013).
Tensor maxout(const Tensor& x, int64_t pieces, int64_t axis = 1);

/// A function without settings as a module.
template <Tensor (*kFunction)(const Tensor&)>
class Function final : public Module {
 public:
  Tensor forward(const Tensor& x) override { return kFunction(x); }
};
using ReLU = Function<relu>;
using ReLU6 = Function<relu6>;
using SELU = Function<selu>;
using SiLU = Function<silu>;
using Mish = Function<mish>;
using Softsign = Function<softsign>;
using Sigmoid = Function<sigmoid>;
using Tanh = Function<tanh>;
using Hardsigmoid = Function<hardsigmoid>;
using Hardswish = Function<hardswish>;
using Tanhshrink = Function<tanhshrink>;
using LogSigmoid = Function<logsigmoid>;

/// A function with one number as a module. Its default, in units of 0.0001, is part of the type.
template <Tensor (*kFunction)(const Tensor&, double), int kDefault>
class ScaledFunction final : public Module {
 public:
  explicit ScaledFunction(double setting = kDefault / 1e4) : setting_(setting) {}
  Tensor forward(const Tensor& x) override { return kFunction(x, setting_); }

 private:
  double setting_;
};
using LeakyReLU = ScaledFunction<leaky_relu, 100>;
using ELU = ScaledFunction<elu, 10000>;
using CELU = ScaledFunction<celu, 10000>;
using Hardshrink = ScaledFunction<hardshrink, 5000>;
using Softshrink = ScaledFunction<softshrink, 5000>;

/// A function over one axis as a module.
template <Tensor (*kFunction)(const Tensor&, int64_t)>
class AxisFunction final : public Module {
 public:
  explicit AxisFunction(int64_t axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) override { return kFunction(x, axis_); }

 private:
  int64_t axis_;
};
using Softmax = AxisFunction<softmax>;
using LogSoftmax = AxisFunction<log_softmax>;
using Softmin = AxisFunction<softmin>;
using GLU = AxisFunction<glu>;

class GELU final : public Module {
 public:
  explicit GELU(bool tanh_form = false) : tanh_form_(tanh_form) {}
  Tensor forward(const Tensor& x) override { return gelu(x, tanh_form_); }

 private:
  bool tanh_form_;
};

class PReLU final : public Module {
 public:
  explicit PReLU(int64_t parameters = 1, double first = 0.25) { weight = register_parameter("weight", Tensor::full({parameters}, first)); }
  Tensor forward(const Tensor& x) override { return prelu(x, weight); }
  Tensor weight;  ///< [1] or [C]
};

class Softplus final : public Module {
 public:
  explicit Softplus(double beta = 1, double threshold = 20) : beta_(beta), threshold_(threshold) {}
  Tensor forward(const Tensor& x) override { return softplus(x, beta_, threshold_); }

 private:
  double beta_, threshold_;
};

class Hardtanh final : public Module {
 public:
  explicit Hardtanh(double min = -1, double max = 1) : min_(min), max_(max) {}
  Tensor forward(const Tensor& x) override { return hardtanh(x, min_, max_); }

 private:
  double min_, max_;
};

class Threshold final : public Module {
 public:
  Threshold(double threshold, double value) : threshold_(threshold), value_(value) {}
  Tensor forward(const Tensor& x) override { return nn::threshold(x, threshold_, value_); }

 private:
  double threshold_, value_;
};

class Maxout final : public Module {
 public:
  explicit Maxout(int64_t pieces, int64_t axis = 1) : pieces_(pieces), axis_(axis) {}
  Tensor forward(const Tensor& x) override { return maxout(x, pieces_, axis_); }

 private:
  int64_t pieces_, axis_;
};

}  // namespace gf::nn
