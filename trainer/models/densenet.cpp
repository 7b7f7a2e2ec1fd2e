#include "trainer/models/densenet.h"

#include "runtime/core/exception.h"

namespace gf::models {
namespace {

using nn::BatchNorm2d;

class DenseLayer final : public nn::Module {
 public:
  DenseLayer(int64_t in, int64_t hidden, int64_t growth) {
    norm1_ = register_module("norm1", std::make_shared<BatchNorm2d>(in));
    conv1_ = register_module("conv1", he_conv(in, hidden, {.by_inputs = true}));
    norm2_ = register_module("norm2", std::make_shared<BatchNorm2d>(hidden));
    conv2_ = register_module("conv2", he_conv(hidden, growth, {.kernel = 3, .by_inputs = true}));
  }
  Tensor forward(const Tensor& x) override { return cat({x, (*conv2_)(relu((*norm2_)((*conv1_)(relu((*norm1_)(x))))))}, 1); }

 private:
  ModulePtr norm1_, conv1_, norm2_, conv2_;
};

// Modules by name, one after the other.
class Chain : public nn::Module {
 public:
  void append(const std::string& name, ModulePtr module) { layers_.push_back(register_module(name, std::move(module))); }
  void append(std::function<Tensor(const Tensor&)> f) { layers_.push_back(as_module(std::move(f))); }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const ModulePtr& layer : layers_) y = (*layer)(y);
    return y;
  }

 private:
  std::vector<ModulePtr> layers_;
};

}  // namespace

DenseNet::DenseNet(const DenseNetOptions& o) {
  if (o.blocks.empty()) throw Exception(Error::InvalidArgument, "DenseNet: there are no blocks");
  const auto to_relu = [](const Tensor& x) { return relu(x); };
  const auto features = std::make_shared<Chain>();
  features->append("conv0", he_conv(o.channels, o.first, {.kernel = 7, .stride = 2, .by_inputs = true}));
  features->append("norm0", std::make_shared<BatchNorm2d>(o.first));
  features->append([](const Tensor& x) { return nn::max_pool2d(relu(x), 3, 2, 1); });
  int64_t in = o.first;
  for (size_t k = 0; k < o.blocks.size(); ++k) {
    const auto block = std::make_shared<Chain>();
    for (int64_t i = 0; i < o.blocks[k]; ++i, in += o.growth)
      block->append("denselayer" + std::to_string(i + 1), std::make_shared<DenseLayer>(in, o.bottleneck * o.growth, o.growth));
    features->append("denseblock" + std::to_string(k + 1), block);
    if (k + 1 == o.blocks.size()) break;
    const auto transition = std::make_shared<Chain>();
    transition->append("norm", std::make_shared<BatchNorm2d>(in));
    transition->append(to_relu);
    transition->append("conv", he_conv(in, in / 2, {.by_inputs = true}));
    transition->append([](const Tensor& x) { return nn::avg_pool2d(x, 2); });
    features->append("transition" + std::to_string(k + 1), transition);
    in /= 2;
  }
  features->append("norm5", std::make_shared<BatchNorm2d>(in));
  features->append(to_relu);
  features_ = register_module("features", features);
  classifier_ = register_module("classifier", std::make_shared<nn::Linear>(in, o.classes));
}
Tensor DenseNet::forward(const Tensor& x) { return (*classifier_)(mean_of_image((*features_)(x))); }

}  // namespace gf::models
