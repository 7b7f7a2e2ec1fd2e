// Nets of inverted bottlenecks with depthwise convolutions, with torchvision's names: MobileNetV2 (Sandler et al. 2018) and EfficientNet
// (Tan and Le 2019).
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct MobileNetV2Options {
  struct Stage {
    int64_t expand, channels, blocks, stride;
  };
  std::vector<Stage> stages = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  double width = 1;       ///< factor of all channels, rounded to multiples of 8
  int64_t channels = 3, classes = 1000;
  double dropout = 0.2;
};
/// Images [N, C, H, W] to scores [N, classes].
class MobileNetV2 final : public nn::Module {
 public:
  explicit MobileNetV2(const MobileNetV2Options& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<nn::Sequential> features_, classifier_;
};

struct EfficientNetOptions {
  struct Stage {
    int64_t expand, kernel, stride, in, out, blocks;
  };
  std::vector<Stage> stages = {{1, 3, 1, 32, 16, 1}, {6, 3, 2, 16, 24, 2}, {6, 5, 2, 24, 40, 2}, {6, 3, 2, 40, 80, 3},
                               {6, 5, 1, 80, 112, 3}, {6, 5, 2, 112, 192, 4}, {6, 3, 1, 192, 320, 1}};
  int64_t channels = 3, classes = 1000;
  double dropout = 0.2;
  double stochastic_depth = 0.2;  ///< blocks are left out per image with probabilities from 0 up to this (Huang et al. 2016)
};
/// EfficientNet-B0 by default. Images [N, C, H, W] to scores [N, classes].
class EfficientNet final : public nn::Module {
 public:
  explicit EfficientNet(const EfficientNetOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<nn::Sequential> features_, classifier_;
};

}  // namespace gf::models
