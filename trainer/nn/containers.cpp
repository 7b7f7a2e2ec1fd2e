#include "trainer/nn/containers.h"

namespace gf::nn {

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

Residual::Residual(std::shared_ptr<Module> f, std::shared_ptr<Module> shortcut) {
  f_ = register_module("f", std::move(f));
  if (shortcut != nullptr) shortcut_ = register_module("shortcut", std::move(shortcut));
}
Tensor Residual::forward(const Tensor& x) { return (*f_)(x) + (shortcut_ != nullptr ? (*shortcut_)(x) : x); }

}  // namespace gf::nn
