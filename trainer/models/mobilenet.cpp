#include "trainer/models/mobilenet.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/exception.h"
#include "trainer/nn/blocks.h"

namespace gf::models {
namespace {

// The nearest multiple of 8 that loses no more than a tenth.
int64_t multiple_of_8(double channels) {
  const int64_t near = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(near) < 0.9 * channels ? near + 8 : near;
}

std::shared_ptr<nn::Sequential> classifier(double dropout, int64_t in, int64_t classes) {
  auto layers = std::make_shared<nn::Sequential>();
  layers->append(std::make_shared<nn::Dropout>(dropout));
  layers->append(normal_linear(in, classes, true, 0.01));
  return layers;
}

class InvertedResidual final : public nn::Module {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expand) : residual_(stride == 1 && in == out) {
    conv_ = register_module("conv", std::make_shared<nn::Sequential>());
    const int64_t hidden = in * expand;
    if (expand != 1) conv_->append(conv_norm_activation(in, hidden, {}, nn::relu6));
    conv_->append(conv_norm_activation(hidden, hidden, {.kernel = 3, .stride = stride, .groups = hidden}, nn::relu6));
    conv_->append(he_conv(hidden, out));
    conv_->append(std::make_shared<nn::BatchNorm2d>(out));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = (*conv_)(x);
    return residual_ ? x + y : y;
  }

 private:
  bool residual_;
  std::shared_ptr<nn::Sequential> conv_;
};

class MbConv final : public nn::Module {
 public:
  MbConv(const EfficientNetOptions::Stage& s, double drop) : residual_(s.stride == 1 && s.in == s.out) {
    block_ = register_module("block", std::make_shared<nn::Sequential>());
    const int64_t hidden = multiple_of_8(static_cast<double>(s.in * s.expand));
    if (hidden != s.in) block_->append(conv_norm_activation(s.in, hidden, {}, silu));
    block_->append(conv_norm_activation(hidden, hidden, {.kernel = s.kernel, .stride = s.stride, .groups = hidden}, silu));
    block_->append(std::make_shared<nn::SEBlock>(hidden, std::max<int64_t>(1, s.in / 4), silu, sigmoid));
    block_->append(conv_norm_activation(hidden, s.out, {}, nullptr));
    if (residual_ && drop > 0) drop_ = register_module("stochastic_depth", std::make_shared<nn::Dropout>(drop));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = (*block_)(x);
    if (!residual_) return y;
    if (drop_ == nullptr || !is_training()) return x + y;
    return x + y * (*drop_)(Tensor::ones({x.size(0), 1, 1, 1}));  // whole images at a time
  }

 private:
  bool residual_;
  std::shared_ptr<nn::Sequential> block_;
  ModulePtr drop_;
};

}  // namespace

MobileNetV2::MobileNetV2(const MobileNetV2Options& o) {
  const auto scaled = [&](int64_t channels, double width) { return multiple_of_8(static_cast<double>(channels) * width); };
  features_ = register_module("features", std::make_shared<nn::Sequential>());
  int64_t in = scaled(32, o.width);
  features_->append(conv_norm_activation(o.channels, in, {.kernel = 3, .stride = 2}, nn::relu6));
  for (const auto& s : o.stages)
    for (int64_t i = 0; i < s.blocks; ++i) {
      const int64_t out = scaled(s.channels, o.width);
      features_->append(std::make_shared<InvertedResidual>(in, out, i == 0 ? s.stride : 1, s.expand));
      in = out;
    }
  const int64_t last = scaled(1280, std::max(1.0, o.width));
  features_->append(conv_norm_activation(in, last, {}, nn::relu6));
  classifier_ = register_module("classifier", classifier(o.dropout, last, o.classes));
}
Tensor MobileNetV2::forward(const Tensor& x) { return (*classifier_)(mean_of_image((*features_)(x))); }

EfficientNet::EfficientNet(const EfficientNetOptions& o) {
  if (o.stages.empty()) throw Exception(Error::InvalidArgument, "EfficientNet: there are no stages");
  features_ = register_module("features", std::make_shared<nn::Sequential>());
  features_->append(conv_norm_activation(o.channels, o.stages[0].in, {.kernel = 3, .stride = 2}, silu));
  int64_t total = 0, done = 0;
  for (const auto& s : o.stages) total += s.blocks;
  for (auto s : o.stages) {
    const auto stage = std::make_shared<nn::Sequential>();
    for (int64_t i = 0; i < s.blocks; ++i, ++done) {
      stage->append(std::make_shared<MbConv>(s, o.stochastic_depth * static_cast<double>(done) / static_cast<double>(total)));
      s.in = s.out;
      s.stride = 1;
    }
    features_->append(stage);
  }
  const int64_t out = o.stages.back().out;
  features_->append(conv_norm_activation(out, 4 * out, {}, silu));
  classifier_ = register_module("classifier", classifier(o.dropout, 4 * out, o.classes));
}
Tensor EfficientNet::forward(const Tensor& x) { return (*classifier_)(mean_of_image((*features_)(x))); }

}  // namespace gf::models
