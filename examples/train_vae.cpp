// A variational autoencoder (Kingma and Welling 2014) learns what digits look like: 784 pixels become 20 numbers and pixels again.
//   example_train_vae --data FOLDER --steps 4000 --out FOLDER
// Writes two pictures: reconstructions.png, rows of digits that it has not seen and below each row what it makes of them, and samples.png, digits
// that nobody wrote: random numbers, decoded.
#include <ghostflow/train.h>

#include "options.h"

namespace {

using gf::Tensor;
using gf::models::Vae;
using namespace gf::data;

constexpr int64_t kBatch = 128, kColumns = 10;

/// Digits [N, 784] and what the net makes of them, row below row.
Tensor in_turns(const Tensor& digits, const Tensor& made) {
  std::vector<Tensor> rows;
  for (int64_t first = 0; first < digits.size(0); first += kColumns)
    for (const Tensor& t : {digits, made}) rows.push_back(narrow(t, 0, first, first + kColumns));
  return cat(rows);
}
void write_pictures(const std::string& file, const Tensor& rows) {
  write_picture_grid(file, reshape(rows, {-1, 1, 28, 28}), {.columns = kColumns});
  std::printf("%s\n", file.c_str());
}

void train(const Options& options) {
  DataLoader batches(MNIST::in_folder(options.text("data"), true), {.batch_size = kBatch, .shuffle = true, .drop_last = true, .seed = 1, .num_workers = 1});
  DataLoader tests(MNIST::in_folder(options.text("data"), false), {.batch_size = 250});
  gf::nn::manual_seed(1);
  Vae net;
  gf::Trainable optimizer(net.parameters(), std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 1e-3}));
  const int64_t steps = options.number("steps");

  for (int64_t step = 0; step < steps; ++step) {
    const Batch& batch = batches.cycle();
    const Tensor x = flatten(batch.tensor("image"), 1);
    const Tensor loss = Vae::loss(net.run(x, gf::randn({kBatch, 20})), x) / static_cast<double>(kBatch);
    loss.backward();
    optimizer.step();
    if (step % 500 == 0 || step + 1 == steps) std::printf("step %4lld  loss %.2f\n", static_cast<long long>(step), loss.item());
  }

  const gf::no_grad off;
  net.eval();
  double sum = 0;
  for (const auto& batch : tests) {
    const Tensor x = flatten(batch.tensor("image"), 1);
    sum += Vae::loss(net.run(x, gf::randn({batch.size(), 20})), x).item();
  }
  std::printf("unseen digits: loss %.2f\n", sum / static_cast<double>(tests.dataset().size()));
  const Tensor some = narrow(flatten(tests.cycle().tensor("image"), 1), 0, 0, 4 * kColumns);
  write_pictures(options.text("out") + "/reconstructions.png", in_turns(some, net(some)));
  write_pictures(options.text("out") + "/samples.png", net.decode(gf::randn({8 * kColumns, 20})));
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, {{"data", "../shared/data/mnist"}, {"steps", "4680"}, {"out", "."}}, train);
}
