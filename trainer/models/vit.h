// Vision transformer (Dosovitskiy et al. 2021) with torchvision's names.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct VitOptions {
  int64_t image = 224, patch = 16, channels = 3, classes = 1000;
  int64_t depth = 12, heads = 12, dim = 768, hidden = 3072;  ///< hidden: of the two linear layers in each block
  double dropout = 0;
};
/// ViT-B/16 by default. Images [N, C, image, image] to scores [N, classes].
class Vit final : public nn::Module {
 public:
  explicit Vit(const VitOptions& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  struct Encoder;
  std::shared_ptr<nn::Conv2d> conv_proj_;
  Tensor class_token_;
  std::shared_ptr<Encoder> encoder_;
  ModulePtr heads_;
  int64_t image_;
};

}  // namespace gf::models
