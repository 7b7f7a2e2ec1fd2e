#include "trainer/models/vit.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "trainer/nn/attention.h"
#include "trainer/nn/init.h"

namespace gf::models {
namespace {

using nn::LayerNorm;

class EncoderBlock final : public nn::Module {
 public:
  explicit EncoderBlock(const VitOptions& o) {
    ln_1_ = register_module("ln_1", std::make_shared<LayerNorm>(Shape64{o.dim}, 1e-6));
    attention_ = register_module("self_attention", std::make_shared<nn::SelfAttention>(o.dim, o.heads));
    dropout_ = register_module("dropout", std::make_shared<nn::Dropout>(o.dropout));
    ln_2_ = register_module("ln_2", std::make_shared<LayerNorm>(Shape64{o.dim}, 1e-6));
    mlp_ = register_module("mlp", std::shared_ptr<nn::Sequential>(new nn::Sequential{
                                      std::make_shared<nn::Linear>(o.dim, o.hidden), as_module([](const Tensor& x) { return gelu(x); }),
                                      std::make_shared<nn::Dropout>(o.dropout), std::make_shared<nn::Linear>(o.hidden, o.dim), std::make_shared<nn::Dropout>(o.dropout)}));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = x + (*dropout_)((*attention_)((*ln_1_)(x)));
    return y + (*mlp_)((*ln_2_)(y));
  }

 private:
  ModulePtr ln_1_, attention_, dropout_, ln_2_, mlp_;
};

class Layers final : public nn::Module {
 public:
  explicit Layers(const VitOptions& o) {
    for (int64_t i = 0; i < o.depth; ++i) blocks_.push_back(register_module("encoder_layer_" + std::to_string(i), std::make_shared<EncoderBlock>(o)));
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const ModulePtr& block : blocks_) y = (*block)(y);
    return y;
  }

 private:
  std::vector<ModulePtr> blocks_;
};

class Heads final : public nn::Module {
 public:
  Heads(int64_t dim, int64_t classes) { head_ = register_module("head", normal_linear(dim, classes, true, 0)); }
  Tensor forward(const Tensor& x) override { return (*head_)(x); }

 private:
  ModulePtr head_;
};

}  // namespace

struct Vit::Encoder final : nn::Module {
  explicit Encoder(const VitOptions& o) {
    const int64_t side = o.image / o.patch;
    pos_embedding = register_parameter("pos_embedding", nn::init::normal({1, side * side + 1, o.dim}, 0, 0.02));
    dropout = register_module("dropout", std::make_shared<nn::Dropout>(o.dropout));
    layers = register_module("layers", std::make_shared<Layers>(o));
    ln = register_module("ln", std::make_shared<LayerNorm>(Shape64{o.dim}, 1e-6));
  }
  Tensor forward(const Tensor& x) override { return (*ln)((*layers)((*dropout)(x + pos_embedding))); }
  Tensor pos_embedding;
  ModulePtr dropout, layers, ln;
};

Vit::Vit(const VitOptions& o) : image_(o.image) {
  check_heads("Vit", o.dim, o.heads);
  if (o.patch < 1 || o.image % o.patch != 0)
    throw Exception(Error::InvalidArgument, "Vit: an image of " + std::to_string(o.image) + " does not divide by patches of " + std::to_string(o.patch));
  class_token_ = register_parameter("class_token", Tensor::zeros({1, 1, o.dim}));
  conv_proj_ = register_module("conv_proj", undrawn<nn::Conv2d>(o.channels, o.dim, o.patch, nn::Conv2dOptions{.stride = o.patch}));
  conv_proj_->bias.assign(io::Array::zeros(DType::F32, {o.dim}));
  conv_proj_->weight.follow(nn::init::trunc_normal(conv_proj_->weight.shape(), 0, 1 / std::sqrt(static_cast<double>(o.channels * o.patch * o.patch))));
  encoder_ = register_module("encoder", std::make_shared<Encoder>(o));
  heads_ = register_module("heads", std::make_shared<Heads>(o.dim, o.classes));
}

Tensor Vit::forward(const Tensor& x) {
  if (x.rank() != 4 || x.size(2) != image_ || x.size(3) != image_)
    throw Exception(Error::ShapeMismatch, "Vit: the image has shape " + io::shape_text(x.shape()) + "; height and width must be " + std::to_string(image_));
  const Tensor patches = (*conv_proj_)(x);
  const int64_t n = x.size(0), dim = patches.size(1);
  const Tensor sequence = permute(reshape(patches, {n, dim, -1}), {0, 2, 1});
  const Tensor y = (*encoder_)(cat({expand(class_token_, {n, 1, dim}), sequence}, 1));
  return (*heads_)(squeeze(narrow(y, 1, 0, 1), 1));
}

}  // namespace gf::models
