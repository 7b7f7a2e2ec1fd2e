#include "trainer/models/unet.h"

#include "runtime/core/exception.h"

namespace gf::models {
namespace {

// A module around one other, for its name.
class Named final : public nn::Module {
 public:
  Named(const std::string& name, ModulePtr inner) : inner_(register_module(name, std::move(inner))) {}
  Tensor forward(const Tensor& x) override { return (*inner_)(x); }

 private:
  ModulePtr inner_;
};

ModulePtr double_conv(int64_t in, int64_t out) {
  auto layers = std::make_shared<nn::Sequential>();
  for (const int64_t from : {in, out}) {
    layers->append(he_conv(from, out, {.kernel = 3}));
    layers->append(std::make_shared<nn::BatchNorm2d>(out));
    layers->append(std::make_shared<nn::ReLU>());
  }
  return std::make_shared<Named>("double_conv", layers);
}

}  // namespace

struct UNet::Up final : nn::Module {
  explicit Up(int64_t in) {
    up = register_module("up", std::make_shared<nn::ConvTranspose2d>(in, in / 2, 2, nn::ConvTransposeOptions<nn::Pair>{.stride = 2}));
    conv = register_module("conv", double_conv(in, in / 2));
  }
  Tensor join(const Tensor& skip, const Tensor& x) { return (*conv)(cat({skip, (*up)(x)}, 1)); }
  ModulePtr up, conv;
};

UNet::UNet(const UNetOptions& o) {
  if (o.depth < 1 || o.depth > 16) throw Exception(Error::InvalidArgument, "UNet: the image is halved " + std::to_string(o.depth) + " times; 1 to 16 is possible");
  inc_ = register_module("inc", double_conv(o.channels, o.width));
  int64_t width = o.width;
  for (int64_t k = 1; k <= o.depth; ++k, width *= 2) {
    const auto layers = std::make_shared<nn::Sequential>();
    layers->append(as_module([](const Tensor& x) { return nn::max_pool2d(x, 2); }));
    layers->append(double_conv(width, 2 * width));
    downs_.push_back(register_module("down" + std::to_string(k), std::make_shared<Named>("maxpool_conv", layers)));
  }
  for (int64_t k = 1; k <= o.depth; ++k, width /= 2) ups_.push_back(register_module("up" + std::to_string(k), std::make_shared<Up>(width)));
  outc_ = register_module("outc", std::make_shared<Named>("conv", std::make_shared<nn::Conv2d>(o.width, o.classes, 1)));
}

Tensor UNet::forward(const Tensor& x) {
  const int64_t step = int64_t{1} << downs_.size();
  if (x.rank() != 4 || x.size(2) % step != 0 || x.size(3) % step != 0)
    throw Exception(Error::ShapeMismatch, "UNet: the image has shape " + io::shape_text(x.shape()) + "; [N, C, H, W] with H and W that divide by " + std::to_string(step) + " is needed");
  std::vector<Tensor> levels = {(*inc_)(x)};
  for (const ModulePtr& down : downs_) levels.push_back((*down)(levels.back()));
  Tensor y = levels.back();
  for (size_t k = 0; k < ups_.size(); ++k) y = ups_[k]->join(levels[levels.size() - 2 - k], y);
  return (*outc_)(y);
}

}  // namespace gf::models
