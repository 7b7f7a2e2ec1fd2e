#include "trainer/models/resnet.h"

#include "runtime/core/exception.h"

namespace gf::models {
namespace {

using nn::BatchNorm2d;

class Block final : public nn::Module {
 public:
  Block(bool bottleneck, int64_t in, int64_t planes, int64_t stride) {
    const int64_t out = bottleneck ? 4 * planes : planes;
    const auto stage = [&](int k, int64_t from, int64_t to, const ConvOptions& o) {
      convs_.push_back(register_module("conv" + std::to_string(k), he_conv(from, to, o)));
      norms_.push_back(register_module("bn" + std::to_string(k), std::make_shared<BatchNorm2d>(to)));
    };
    if (bottleneck) {
      stage(1, in, planes, {});
      stage(2, planes, planes, {.kernel = 3, .stride = stride});
      stage(3, planes, out, {});
    } else {
      stage(1, in, planes, {.kernel = 3, .stride = stride});
      stage(2, planes, planes, {.kernel = 3});
    }
    if (stride != 1 || in != out) downsample_ = register_module("downsample", conv_norm_activation(in, out, {.stride = stride}, nullptr));
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (size_t k = 0; k < convs_.size(); ++k) y = (*norms_[k])((*convs_[k])(k == 0 ? y : relu(y)));
    return relu(y + (downsample_ == nullptr ? x : (*downsample_)(x)));
  }

 private:
  std::vector<ModulePtr> convs_, norms_;
  ModulePtr downsample_;
};

}  // namespace

ResNet::ResNet(const ResNetOptions& o) : small_images_(o.small_images) {
  if (o.depths.empty()) throw Exception(Error::InvalidArgument, "ResNet: there are no stages");
  conv1_ = register_module("conv1", he_conv(o.channels, o.width, o.small_images ? ConvOptions{.kernel = 3} : ConvOptions{.kernel = 7, .stride = 2}));
  bn1_ = register_module("bn1", std::make_shared<BatchNorm2d>(o.width));
  int64_t in = o.width, planes = o.width;
  for (size_t k = 0; k < o.depths.size(); ++k, planes *= 2) {
    const auto stage = std::make_shared<nn::Sequential>();
    for (int64_t i = 0; i < o.depths[k]; ++i) {
      stage->append(std::make_shared<Block>(o.bottleneck, in, planes, i == 0 && k > 0 ? 2 : 1));
      in = o.bottleneck ? 4 * planes : planes;
    }
    layers_.push_back(register_module("layer" + std::to_string(k + 1), stage));
  }
  fc_ = register_module("fc", std::make_shared<nn::Linear>(in, o.classes));
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = relu((*bn1_)((*conv1_)(x)));
  if (!small_images_) y = nn::max_pool2d(y, 3, 2, 1);
  for (const ModulePtr& layer : layers_) y = (*layer)(y);
  return (*fc_)(mean_of_image(y));
}

}  // namespace gf::models
