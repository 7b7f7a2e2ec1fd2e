// A net learns to read digits, from MNIST's files to a model that every GhostFlow program runs:
//   example_train_digits --net lenet --data FOLDER --steps 3000 --out digits.gf      (--out digits.onnx: as ONNX)
// Nets: mlp, lenet, resnet (three small stages), small (14,542 weights: the one in examples/digits). After all steps it reads the test pictures.
#include <ghostflow/convert.h>
#include <ghostflow/train.h>

#include "options.h"

namespace {

using gf::Tensor;
using namespace gf::nn;
using ModulePtr = std::shared_ptr<Module>;

/// A net of one's own: layers are registered under the names that their weights have in files.
struct Small final : Module {
  Tensor forward(const Tensor& x) override { return (*fc)(flatten(stage(*conv2, *norm2, stage(*conv1, *norm1, x)), 1)); }
  static Tensor stage(Module& conv, Module& norm, const Tensor& x) { return max_pool2d(relu(norm(conv(x))), 2); }

  ModulePtr conv1 = register_module("conv1", std::make_shared<Conv2d>(1, 12, 3, Conv2dOptions{.padding = 1, .bias = false}));
  ModulePtr norm1 = register_module("norm1", std::make_shared<BatchNorm2d>(12));
  ModulePtr conv2 = register_module("conv2", std::make_shared<Conv2d>(12, 24, 3, Conv2dOptions{.padding = 1, .bias = false}));
  ModulePtr norm2 = register_module("norm2", std::make_shared<BatchNorm2d>(24));
  ModulePtr fc = register_module("fc", std::make_shared<Linear>(24 * 7 * 7, 10));
};

/// Scores are what a loss wants, probabilities what people want: this one goes into the file.
struct WithSoftmax final : Module {
  explicit WithSoftmax(ModulePtr scores) : net(register_module("net", std::move(scores))) {}
  Tensor forward(const Tensor& image) override { return softmax((*net)(image), 1); }
  ModulePtr net;
};

ModulePtr make_net(const std::string& name) {
  if (name == "mlp") return std::make_shared<gf::models::Mlp>();
  if (name == "lenet") return std::make_shared<gf::models::LeNet>();
  if (name == "resnet")
    return std::make_shared<gf::models::ResNet>(gf::models::ResNetOptions{.depths = {1, 1, 1}, .width = 16, .channels = 1, .classes = 10, .small_images = true});
  if (name == "small") return std::make_shared<Small>();
  throw gf::Exception(gf::Error::InvalidArgument, "there is no net '" + name + "'; there are: mlp, lenet, resnet, small");
}

int64_t count_right(Module& net, gf::data::DataLoader& pictures) {
  const KeepMode mode(net);
  net.eval();
  int64_t right = 0;
  for (const auto& batch : pictures) {
    const std::vector<int64_t> guess = argmax(net(batch.tensor("image")), 1).to_vector<int64_t>(), shown = batch["label"].as<int64_t>();
    for (size_t i = 0; i < guess.size(); ++i) right += guess[i] == shown[i] ? 1 : 0;
  }
  return right;
}

void train(const Options& options) {
  using namespace gf::data;
  // Every picture is moved by up to two pixels each way, anew in each epoch.
  const auto known = MNIST::in_folder(options.text("data"), true, {.transform = transforms(RandomCrop(28, 2), ToFloat())});
  const auto unseen = MNIST::in_folder(options.text("data"), false);
  DataLoader batches(known, {.batch_size = 128, .shuffle = true, .drop_last = true, .seed = 7, .num_workers = 1});
  DataLoader tests(unseen, {.batch_size = 250});

  manual_seed(7);
  const ModulePtr net = make_net(options.text("net"));
  const int64_t steps = options.number("steps");
  gf::Trainable optimizer(net->parameters(), std::make_shared<gf::optim::AdamW>(gf::optim::AdamWSettings{.lr = 5e-3, .weight_decay = 1e-2}));
  const auto rate = gf::optim::schedule::one_cycle({.max_lr = 5e-3, .total_steps = std::max<int64_t>(steps, 2)});
  std::printf("%s: %lld weights, %lld steps\n", options.text("net").c_str(), static_cast<long long>(net->parameter_count()), static_cast<long long>(steps));

  for (int64_t step = 0; step < steps; ++step) {
    const Batch& batch = batches.cycle();
    const Tensor loss = cross_entropy((*net)(batch.tensor("image")), batch.tensor("label"));
    loss.backward();
    optimizer.set_learning_rate(rate(5e-3, step));
    optimizer.step();
    if (step % 100 == 0 || step + 1 == steps) std::printf("step %4lld  loss %.4f\n", static_cast<long long>(step), loss.item());
  }
  std::printf("%lld of %lld test pictures right\n", static_cast<long long>(count_right(*net, tests)), static_cast<long long>(unseen->size()));

  if (options.text("out").empty()) return;
  WithSoftmax whole(net);
  const bool onnx = options.text("out").ends_with(".onnx");  // gf-convert asks for how many pictures at once: --dim N=1..16
  gf::ir::Model model =
      gf::inference_model(whole, {.input = "image", .shape = {1, 28, 28}, .output = "probabilities", .batch = onnx ? 0 : 1, .batch_name = onnx ? "N" : ""});
  model.metadata = {{"labels", "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine"},
                    {"image", "nchw,gray,scale=1/255"},
                    {"description", "Handwritten digits, trained on MNIST by examples/train_digits.cpp"},
                    {"licence", "Apache-2.0"}};
  const size_t size = gf::save_model(options.text("out"), std::move(model));
  std::printf("%s: %zu bytes\n", options.text("out").c_str(), size);
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, {{"net", "lenet"}, {"data", "../shared/data/mnist"}, {"steps", "1500"}, {"out", ""}}, train);
}
