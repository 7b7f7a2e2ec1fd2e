// A net that was trained on photographs learns digits: SqueezeNet gets a last layer for ten classes, which is trained alone first (its
// features stay), then all of it for a while.
//   example_finetune_squeezenet MODEL.onnx MNIST_FOLDER OUT.gf [EXAMPLES] [EPOCHS_HEAD] [EPOCHS_ALL]
// Pictures are 48 x 48, gray as colour, of 0 to 255 as the net was trained with. Prints how many unseen digits it gets right.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "facade/import_resized.h"
#include "io/file.h"
#include "trainer/checkpoint/state.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/data/data_loader.h"
#include "trainer/data/transforms.h"
#include "trainer/data/vision.h"
#include "trainer/loop/listeners.h"
#include "trainer/loop/trainer.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/finished_model.h"
#include "trainer/step/prepare.h"

namespace {

constexpr int64_t kBatch = 25, kSize = 48, kClasses = 10;

gf::ir::Model import(const std::string& path) { return gf::import_resized(path, {.entry = "main", .batch = {kBatch, kBatch}, .example = {3, kSize, kSize}}); }

std::shared_ptr<gf::data::Dataset> digits(const std::string& images, const std::string& labels, int64_t most) {
  using namespace gf::data;
  const auto all = std::make_shared<MNIST>(images, labels, VisionSettings{.transform = transforms(Resize(kSize, kSize), GrayToRgb(), ToFloat(), Normalize({0}, {1 / 255.0F}))});
  std::vector<int64_t> first;
  for (int64_t i = 0; i < std::min(most, all->size()); ++i) first.push_back(i);
  return std::make_shared<Subset>(all, first);
}

gf::FitResult train(gf::Trainer& trainer, const std::shared_ptr<gf::data::Dataset>& known, const std::shared_ptr<gf::data::Dataset>& unseen, int64_t epochs) {
  gf::data::DataLoader batches(known, {.batch_size = kBatch, .shuffle = true, .drop_last = true, .seed = 1, .num_workers = 1});
  gf::data::DataLoader validation(unseen, {.batch_size = kBatch, .drop_last = true, .num_workers = 1});
  const int64_t steps = epochs * batches.size();
  gf::FitSettings settings;
  settings.steps = steps;
  settings.schedule = gf::optim::schedule::cosine({.t_max = steps});
  settings.listeners = {std::make_shared<gf::Progress>(gf::ProgressSettings{.to = stderr, .bar = false})};
  return trainer.fit(batches, &validation, settings);
}
double accuracy(const gf::FitResult& r) {
  for (const auto& [name, value] : r.validation)
    if (name == "accuracy") return 100 * value;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: example_finetune_squeezenet MODEL.onnx MNIST_FOLDER OUT.gf [EXAMPLES] [EPOCHS_HEAD] [EPOCHS_ALL]\n");
    return 2;
  }
  try {
    const std::string folder = argv[2];
    const int64_t examples = argc > 4 ? std::atoll(argv[4]) : 6000, head_epochs = argc > 5 ? std::atoll(argv[5]) : 2, all_epochs = argc > 6 ? std::atoll(argv[6]) : 2;
    const auto known = digits(folder + "/train-images-idx3-ubyte.gz", folder + "/train-labels-idx1-ubyte.gz", examples);
    const auto unseen = digits(folder + "/t3k-images-idx3-ubyte.gz", folder + "/t3k-labels-idx1-ubyte.gz", std::max<int64_t>(kBatch, std::min<int64_t>(3000, examples / 2)));
    gf::PrepareOptions options;
    options.loss = "cross_entropy";
    options.head = {.outputs = kClasses, .weight = {}, .seed = 1};
    options.passes.evaluator = gf::make_evaluator(gf::default_tables(false));

    // the new layer alone
    options.last = 1;
    options.optimizer = std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 2e-3});
    gf::ir::Model first = import(argv[1]);
    for (const std::string& note : gf::prepare_training(first, options).notes) std::fprintf(stderr, "%s\n", note.c_str());
    gf::Trainer head(gf::Model::from_bytes(gf::emit(first)));
    std::printf("the last layer alone: %.1f %% of unseen digits\n", accuracy(train(head, known, unseen, head_epochs)));

    // all layers, from there on
    options.last = 0;
    options.optimizer = std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 2e-4});
    options.weights = gf::StartWeights{gf::weights_of(gf::snapshot_of(head.model().program(), *head.model().state(), 0)), "the first part", true};
    gf::ir::Model second = import(argv[1]);
    (void)gf::prepare_training(second, options);
    gf::Trainer all(gf::Model::from_bytes(gf::emit(second)));
    std::printf("all layers: %.1f %% of unseen digits\n", accuracy(train(all, known, unseen, all_epochs)));

    // for use
    gf::take_state(second, *all.model().state());
    gf::InferenceOptions use;
    use.passes = options.passes;
    gf::make_inference_model(second, use);
    const std::vector<std::byte> file = gf::emit(second);
    gf::io::write_file(argv[3], file);
    std::printf("%s: %zu bytes\n", argv[3], file.size());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
