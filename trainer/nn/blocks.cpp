#include "trainer/nn/blocks.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

FeedForward::FeedForward(int64_t dim, int64_t hidden, Activate activation, double dropout, bool bias) : activation_(activation) {
  linear1_ = register_module("linear1", std::make_shared<Linear>(dim, hidden, bias));
  linear2_ = register_module("linear2", std::make_shared<Linear>(hidden, dim, bias));
  dropout_ = register_module("dropout", std::make_shared<Dropout>(dropout));
}
Tensor FeedForward::forward(const Tensor& x) { return (*linear2_)((*dropout_)(activation_((*linear1_)(x)))); }

SwiGLU::SwiGLU(int64_t dim, int64_t hidden, bool bias) {
  gate_ = register_module("gate_proj", std::make_shared<Linear>(dim, hidden, bias));
  up_ = register_module("up_proj", std::make_shared<Linear>(dim, hidden, bias));
  down_ = register_module("down_proj", std::make_shared<Linear>(hidden, dim, bias));
}
Tensor SwiGLU::forward(const Tensor& x) { return (*down_)(silu((*gate_)(x)) * (*up_)(x)); }

SEBlock::SEBlock(int64_t channels, int64_t squeezed, Activate activation, Activate gate) : activation_(activation), gate_(gate) {
  fc1_ = register_module("fc1", std::make_shared<Conv2d>(channels, squeezed, 1));
  fc2_ = register_module("fc2", std::make_shared<Conv2d>(squeezed, channels, 1));
}
Tensor SEBlock::forward(const Tensor& x) { return gate_((*fc2_)(activation_((*fc1_)(global_avg_pool2d(x))))) * x; }

CBAM::CBAM(int64_t channels, int64_t reduction, int64_t kernel) {
  if (reduction < 1 || channels < reduction || kernel % 2 != 1)
    throw Exception(Error::InvalidArgument, "CBAM: " + std::to_string(channels) + " channels over " + std::to_string(reduction) + ", kernel " + std::to_string(kernel) + "; the kernel is odd");
  fc1_ = register_module("fc1", std::make_shared<Linear>(channels, channels / reduction, false));
  fc2_ = register_module("fc2", std::make_shared<Linear>(channels / reduction, channels, false));
  conv_ = register_module("conv", std::make_shared<Conv2d>(2, 1, kernel, Conv2dOptions{.padding = kernel / 2, .bias = false}));
}
Tensor CBAM::forward(const Tensor& x) {
  const lazy::Call call("CBAM");
  const auto scores = [&](const Tensor& pooled) { return (*fc2_)(relu((*fc1_)(flatten(pooled, 1)))); };
  const Tensor gate = sigmoid(scores(global_avg_pool2d(x)) + scores(global_max_pool2d(x)));
  const Tensor y = x * unflatten(gate, 1, {-1, 1, 1});
  return y * sigmoid((*conv_)(cat({mean(y, {1}, true), amax(y, {1}, true)}, 1)));
}

Tensor SPP::forward(const Tensor& x) {
  const lazy::Call call("SPP");
  std::vector<Tensor> parts;
  for (const int64_t level : levels_) parts.push_back(flatten(adaptive_max_pool2d(x, level), 1));
  return cat(parts, 1);
}

LoRA::LoRA(std::shared_ptr<Linear> base, int64_t rank, double alpha) : base_(std::move(base)), scale_(alpha / static_cast<double>(rank)) {
  if (rank < 1) throw Exception(Error::InvalidArgument, "LoRA: rank " + std::to_string(rank));
  register_module("base", base_);
  for (Tensor t : base_->parameters()) t.set_requires_grad(false);
  lora_a = register_parameter("lora_A", init::kaiming_uniform({rank, base_->weight.size(1)}, std::sqrt(5.0)));
  lora_b = register_parameter("lora_B", Tensor::zeros({base_->weight.size(0), rank}));
}
Tensor LoRA::forward(const Tensor& x) { return (*base_)(x) + linear(linear(x, lora_a), lora_b) * scale_; }
Tensor LoRA::merged_weight() const { return base_->weight + matmul(lora_b, lora_a) * scale_; }

MixtureOfExperts::MixtureOfExperts(int64_t dim, int64_t count, int64_t active, const std::function<std::shared_ptr<Module>()>& expert) : active_(active) {
  if (active < 1 || count < active) throw Exception(Error::InvalidArgument, "MixtureOfExperts: " + std::to_string(active) + " of " + std::to_string(count) + " experts");
  gate_ = register_module("gate", std::make_shared<Linear>(dim, count, false));
  experts_ = register_module("experts", std::make_shared<ModuleList<>>());
  for (int64_t i = 0; i < count; ++i) experts_->append(expert());
}
Tensor MixtureOfExperts::forward(const Tensor& x) {
  const lazy::Call call("MixtureOfExperts");
  const Tensor scores = (*gate_)(x);
  const auto [best, places] = topk(scores, active_);
  const Tensor weights = scatter(expand(number_like(scores, 0), scores.shape()), -1, places, softmax(best, -1));
  Tensor y;
  for (size_t i = 0; i < experts_->size(); ++i) {
    const auto e = static_cast<int64_t>(i);
    const Tensor part = (*(*experts_)[i])(x) * narrow(weights, -1, e, e + 1);
    y = y ? y + part : part;
  }
  return y;
}

}  // namespace gf::nn
