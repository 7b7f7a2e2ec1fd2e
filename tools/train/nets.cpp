#include "tools/train/nets.h"

#include <fmt/format.h>

#include "tools/common/cli.h"
#include "trainer/models/gpt2.h"
#include "trainer/models/recurrent_lm.h"
#include "trainer/models/resnet.h"
#include "trainer/models/small.h"

namespace gf::cli {
namespace {

using ModulePtr = std::shared_ptr<nn::Module>;

const std::vector<int64_t>& shape_of(const Data& d, const char* net, size_t rank) {
  const auto& shape = d.input().shape;
  if (shape.size() != rank || d.classes == 0) throw UsageError(fmt::format("{} takes {} with classes; the data has {}", net, rank == 3 ? "pictures" : "text", d.description));
  return shape;
}

ModulePtr mlp(const Data& d) {
  int64_t size = 1;
  for (const int64_t n : d.input().shape) size *= n;
  return std::make_shared<models::Mlp>(models::MlpOptions{.sizes = {size, 512, 256, std::max<int64_t>(1, d.classes)}});
}
ModulePtr lenet(const Data& d) {
  const auto& shape = shape_of(d, "lenet", 3);
  if (shape[1] != 28 || shape[2] != 28) throw UsageError(fmt::format("lenet takes pictures of 28 x 28; the data has {}", d.description));
  return std::make_shared<models::LeNet>(models::LeNetOptions{.channels = shape[0], .classes = d.classes, .width = 2});
}
ModulePtr resnet18(const Data& d) {
  const auto& shape = shape_of(d, "resnet18", 3);
  return std::make_shared<models::ResNet>(models::ResNetOptions{.channels = shape[0], .classes = d.classes, .small_images = shape[1] <= 64});
}
ModulePtr char_gpt(const Data& d) {
  const int64_t length = shape_of(d, "char-gpt", 1)[0];
  return std::make_shared<models::Gpt2>(models::Gpt2Options{.words = d.classes, .positions = length, .depth = 4, .heads = 4, .dim = 128, .dropout = 0});
}
ModulePtr char_lstm(const Data& d) {
  (void)shape_of(d, "char-lstm", 1);
  return std::make_shared<models::RecurrentLm>(models::RecurrentLmOptions{.words = d.classes, .dim = 256, .hidden = 256, .dropout = 0});
}

constexpr NetDefaults kNets[] = {
    {"mlp", "cross_entropy", "adam,lr=1e-3", "cosine", 128, mlp},
    {"lenet", "cross_entropy", "adam,lr=3e-3", "onecycle", 64, lenet},
    {"resnet18", "cross_entropy", "sgd,lr=0.05,momentum=0.9,weight_decay=5e-4", "cosine", 64, resnet18},
    {"char-gpt", "cross_entropy_last", "adamw,lr=3e-3,betas=0.9:0.99,weight_decay=0.1", "onecycle", 12, char_gpt},
    {"char-lstm", "cross_entropy_last", "adamw,lr=2e-3", "cosine", 32, char_lstm},
};

}  // namespace

const NetDefaults* net_named(const std::string& name) {
  for (const NetDefaults& n : kNets)
    if (name == n.name) return &n;
  return nullptr;
}
std::vector<std::string> net_names() {
  std::vector<std::string> names;
  for (const NetDefaults& n : kNets) names.emplace_back(n.name);
  return names;
}

}  // namespace gf::cli
