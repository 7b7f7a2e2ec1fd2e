// DenseNet (Huang et al. 2017: DenseNet-BC) with torchvision's names.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct DenseNetOptions {
  int64_t growth = 32;                          ///< channels that each layer adds
  std::vector<int64_t> blocks = {6, 12, 24, 16};  ///< layers per block; between blocks channels and image are halved
  int64_t first = 64;                           ///< channels in front of the first block
  int64_t bottleneck = 4;                       ///< channels of 1x1 convolutions, in growths
  int64_t channels = 3, classes = 1000;
};
/// DenseNet-121 by default. Images [N, C, H, W] to scores [N, classes].
class DenseNet final : public nn::Module {
 public:
  explicit DenseNet(const DenseNetOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  ModulePtr features_, classifier_;
};

}  // namespace gf::models
