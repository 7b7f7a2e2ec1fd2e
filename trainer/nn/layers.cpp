#include "trainer/nn/layers.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops/dropout.h"
#include "trainer/nn/init.h"

namespace gf::nn {
namespace {

// U(-b, b), b = 1 / sqrt(fan in): what PyTorch's layers begin with.
Tensor fan_in_uniform(Shape64 shape, int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return init::uniform(std::move(shape), -bound, bound);
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, bool with_bias) {
  weight = register_parameter("weight", fan_in_uniform({out, in}, in));
  if (with_bias) bias = register_parameter("bias", fan_in_uniform({out}, in));
}

Conv2d::Conv2d(int64_t in, int64_t out, Pair kernel, const Conv2dOptions& options) : options_(options) {
  if (options.groups < 1 || in % options.groups != 0 || out % options.groups != 0)
    throw Exception(Error::InvalidArgument, "Conv2d: " + std::to_string(in) + " and " + std::to_string(out) + " channels do not divide by " + std::to_string(options.groups) + " groups");
  const Shape64 shape = {out, in / options.groups, kernel.h, kernel.w};
  const int64_t fan_in = shape[1] * kernel.h * kernel.w;
  weight = register_parameter("weight", fan_in_uniform(shape, fan_in));
  if (options.bias) bias = register_parameter("bias", fan_in_uniform({out}, fan_in));
}

LayerNorm::LayerNorm(Shape64 shape, double eps) : eps_(eps) {
  weight = register_parameter("weight", Tensor::ones(shape));
  bias = register_parameter("bias", Tensor::zeros(shape));
}

RMSNorm::RMSNorm(Shape64 shape, double eps) : eps_(eps) { weight = register_parameter("weight", Tensor::ones(std::move(shape))); }

BatchNorm2d::BatchNorm2d(int64_t channels, const BatchNormOptions& options) : options_(options) {
  weight = register_parameter("weight", Tensor::ones({channels}));
  bias = register_parameter("bias", Tensor::zeros({channels}));
  running_mean = register_buffer("running_mean", Tensor::zeros({channels}));
  running_var = register_buffer("running_var", Tensor::ones({channels}));
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  if (x.rank() != 4 || x.size(1) != weight.size(0))
    throw Exception(Error::ShapeMismatch, "BatchNorm2d: the image has shape " + io::shape_text(x.shape()) + "; [N, " + std::to_string(weight.size(0)) + ", H, W] is needed");
  if (!is_training()) return batch_norm(x, running_mean, running_var, weight, bias, options_.eps);
  const auto per_channel = [](const Tensor& t) { return reshape(t, {1, t.size(0), 1, 1}); };
  const Tensor m = mean(x, {0, 2, 3}, true), centred = x - m, var = mean(centred * centred, {0, 2, 3}, true);
  const double n = static_cast<double>(x.numel() / x.size(1)), old = 1 - options_.momentum;
  {
    const no_grad off;
    running_mean.follow(running_mean * old + reshape(m, {x.size(1)}) * options_.momentum);
    running_var.follow(running_var * old + reshape(var, {x.size(1)}) * (options_.momentum * n / (n > 1 ? n - 1 : 1)));
  }
  return centred / sqrt(var + options_.eps) * per_channel(weight) + per_channel(bias);
}

Dropout::Dropout(double p) : p_(p), key_(static_cast<int64_t>(default_generator().next_key())) {
  if (!(p >= 0 && p < 1)) throw Exception(Error::InvalidArgument, "Dropout: probability " + std::to_string(p) + " is outside [0, 1)");
  draws_ = register_buffer("draws", Tensor::from<int64_t>({0}, {}), false);
}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  const Tensor y = apply<op::Dropout>({x, draws_}, {.ratio = static_cast<float>(p_), .training = true, .seed = key_});
  draws_.follow(draws_ + 1);
  return y;
}

Embedding::Embedding(int64_t count, int64_t dim) { weight = register_parameter("weight", init::normal({count, dim})); }

Sequential::Sequential(std::initializer_list<std::shared_ptr<Module>> modules) {
  for (const auto& m : modules) append(m);
}
void Sequential::append(std::shared_ptr<Module> module) {
  layers_.push_back(register_module(std::to_string(layers_.size()), std::move(module)));
}
Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y);
  return y;
}

SelfAttention::SelfAttention(int64_t dim, int64_t heads, bool causal, bool bias) : heads_(heads), causal_(causal) {
  if (heads < 1 || dim % heads != 0)
    throw Exception(Error::InvalidArgument, "SelfAttention: " + std::to_string(dim) + " does not divide by " + std::to_string(heads) + " heads");
  in_proj_weight = register_parameter("in_proj_weight", init::xavier_uniform({3 * dim, dim}));
  if (bias) in_proj_bias = register_parameter("in_proj_bias", Tensor::zeros({3 * dim}));
  out_proj_ = register_module("out_proj", std::make_shared<Linear>(dim, dim, bias));
  if (bias) out_proj_->bias.assign(io::Array::zeros(DType::F32, {dim}));
}

Tensor SelfAttention::forward(const Tensor& x) {
  const int64_t batch = x.size(0), length = x.size(1), dim = x.size(2);
  const std::vector<Tensor> parts = split(linear(x, in_proj_weight, in_proj_bias), {dim, dim, dim}, 2);
  const auto by_head = [&](const Tensor& t) { return permute(reshape(t, {batch, length, heads_, dim / heads_}), {0, 2, 1, 3}); };
  const Tensor y = scaled_dot_product_attention(by_head(parts[0]), by_head(parts[1]), by_head(parts[2]), {}, causal_);
  return (*out_proj_)(reshape(permute(y, {0, 2, 1, 3}), {batch, length, dim}));
}

}  // namespace gf::nn
