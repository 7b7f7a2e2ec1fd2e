#include "trainer/models/small.h"

#include "runtime/core/exception.h"
#include "trainer/nn/init.h"

namespace gf::models {

using nn::Linear;

Mlp::Mlp(const MlpOptions& options) {
  if (options.sizes.size() < 2) throw Exception(Error::InvalidArgument, "Mlp: at least the sizes of input and output are needed");
  for (size_t i = 0; i + 1 < options.sizes.size(); ++i)
    layers_.push_back(register_module(std::to_string(2 * i), std::make_shared<Linear>(options.sizes[i], options.sizes[i + 1])));
}

Tensor Mlp::forward(const Tensor& x) {
  Tensor y = flatten(x, 1);
  for (size_t i = 0; i < layers_.size(); ++i) y = (*layers_[i])(i == 0 ? y : relu(y));
  return y;
}

LeNet::LeNet(const LeNetOptions& options) {
  if (options.width < 1) throw Exception(Error::InvalidArgument, "LeNet: width is " + std::to_string(options.width) + "; it must be 1 or more");
  const int64_t first = 6 * options.width, second = 16 * options.width;
  conv1_ = register_module("conv1", std::make_shared<nn::Conv2d>(options.channels, first, 5, nn::Conv2dOptions{.padding = 2}));
  conv2_ = register_module("conv2", std::make_shared<nn::Conv2d>(first, second, 5));
  fc1_ = register_module("fc1", std::make_shared<Linear>(25 * second, 120));
  fc2_ = register_module("fc2", std::make_shared<Linear>(120, 84));
  fc3_ = register_module("fc3", std::make_shared<Linear>(84, options.classes));
}

Tensor LeNet::forward(const Tensor& x) {
  Tensor y = nn::max_pool2d(relu((*conv1_)(x)), 2);
  y = flatten(nn::max_pool2d(relu((*conv2_)(y)), 2), 1);
  return (*fc3_)(relu((*fc2_)(relu((*fc1_)(y)))));
}

Vae::Vae(const VaeOptions& o) : latent_(o.latent) {
  fc1_ = register_module("fc1", std::make_shared<Linear>(o.size, o.hidden));
  fc21_ = register_module("fc21", std::make_shared<Linear>(o.hidden, o.latent));
  fc22_ = register_module("fc22", std::make_shared<Linear>(o.hidden, o.latent));
  fc3_ = register_module("fc3", std::make_shared<Linear>(o.latent, o.hidden));
  fc4_ = register_module("fc4", std::make_shared<Linear>(o.hidden, o.size));
}

Tensor Vae::decode(const Tensor& z) { return sigmoid((*fc4_)(relu((*fc3_)(z)))); }

Vae::Parts Vae::run(const Tensor& x, const Tensor& noise) {
  const Tensor h = relu((*fc1_)(x)), mean = (*fc21_)(h), log_var = (*fc22_)(h);
  return {decode(mean + noise * exp(log_var * 0.5)), mean, log_var};
}

Tensor Vae::forward(const Tensor& x) {
  if (!is_training()) return decode((*fc21_)(relu((*fc1_)(x))));
  return run(x, nn::init::normal({x.size(0), latent_})).reconstruction;
}

Tensor Vae::loss(const Parts& p, const Tensor& x) {
  const Tensor divergence = sum(1 + p.log_var - p.mean * p.mean - exp(p.log_var)) * -0.5;
  return nn::binary_cross_entropy(p.reconstruction, x, nn::Reduction::Sum) + divergence;
}

}  // namespace gf::models
