// U-Net (Ronneberger et al. 2015) with padding and batch norm, as it is mostly built today; inc, down1..4, up1..4, outc.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct UNetOptions {
  int64_t channels = 3, classes = 2;
  int64_t width = 64;   ///< channels at full size; they double with each halving of the image
  int64_t depth = 4;    ///< halvings
};
/// Images [N, C, H, W] to scores [N, classes, H, W]; H and W divide by 2^depth.
class UNet final : public nn::Module {
 public:
  explicit UNet(const UNetOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  struct Up;
  ModulePtr inc_, outc_;
  std::vector<ModulePtr> downs_;
  std::vector<std::shared_ptr<Up>> ups_;
};

}  // namespace gf::models
