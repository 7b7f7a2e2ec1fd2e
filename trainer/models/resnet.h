// ResNet (He et al. 2016) with torchvision's names: strides of bottlenecks are in their 3x3 convolution ("v1.5").
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct ResNetOptions {
  bool bottleneck = false;                      ///< blocks of 1x1, 3x3, 1x1 with four times the channels; else two of 3x3
  std::vector<int64_t> depths = {2, 2, 2, 2};   ///< blocks per stage; each stage after the first halves the image
  int64_t width = 64;                           ///< channels of the first stage; they double from stage to stage
  int64_t channels = 3, classes = 1000;
  bool small_images = false;                    ///< for images of 32x32: 3x3 at stride 1 in front, and no pool
};
inline ResNetOptions resnet18() { return {}; }
inline ResNetOptions resnet34() { return {.depths = {3, 4, 6, 3}}; }
inline ResNetOptions resnet50() { return {.bottleneck = true, .depths = {3, 4, 6, 3}}; }

/// Images [N, C, H, W] to scores [N, classes].
class ResNet final : public nn::Module {
 public:
  explicit ResNet(const ResNetOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  bool small_images_;
  ModulePtr conv1_, bn1_, fc_;
  std::vector<ModulePtr> layers_;
};

}  // namespace gf::models
