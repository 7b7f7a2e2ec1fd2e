// Trains a digit classifier from nothing and writes it as a .gf file:
//   example_train_digits IMAGES LABELS OUT.gf [STEPS]      (MNIST's IDX files, gzip or not)
// Prints the loss on the way, and how many of the last 1,000 pictures, which it has not seen, it gets right.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "facade/convert.h"
#include "io/idx.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/tensor/trainable.h"

namespace {

using gf::Tensor;

constexpr int64_t kBatch = 64, kPixels = 28 * 28;

struct Digits {
  gf::io::Array images, labels;
  int64_t count() const { return labels.count(); }
  // Pictures as numbers from 0 to 1, and what they show.
  std::pair<Tensor, Tensor> batch(const std::vector<int64_t>& which) const {
    std::vector<float> x;
    std::vector<int64_t> t;
    for (const int64_t i : which) {
      const auto* picture = reinterpret_cast<const uint8_t*>(images.data.data()) + i * kPixels;
      for (int64_t p = 0; p < kPixels; ++p) x.push_back(static_cast<float>(picture[p]) / 255);
      t.push_back(static_cast<int64_t>(labels.data[static_cast<size_t>(i)]));
    }
    const auto n = static_cast<int64_t>(which.size());
    return {Tensor::from(x, {n, 1, 28, 28}), Tensor::from(t, {n})};
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: example_train_digits IMAGES LABELS OUT.gf [STEPS]\n");
    return 2;
  }
  try {
    const Digits digits{gf::io::read_idx(argv[1]), gf::io::read_idx(argv[2])};
    const int64_t held_back = 1000, known = digits.count() - held_back;
    const int steps = argc > 4 ? std::atoi(argv[4]) : 500;

    gf::nn::manual_seed(1);
    gf::nn::Conv2d conv(1, 8, 5, {.stride = 2, .padding = 2});
    gf::nn::Linear hidden(8 * 14 * 14, 64), out(64, 10);
    const auto net = [&](const Tensor& x) { return out(relu(hidden(flatten(relu(conv(x)), 1)))); };
    std::vector<Tensor> parameters;
    for (gf::nn::Module* m : {static_cast<gf::nn::Module*>(&conv), static_cast<gf::nn::Module*>(&hidden), static_cast<gf::nn::Module*>(&out)})
      for (const Tensor& p : m->parameters()) parameters.push_back(p);
    gf::Trainable optimizer(parameters, std::make_shared<gf::optim::Adam>(gf::optim::AdamSettings{.lr = 2e-3}));

    std::mt19937_64 random(1);
    for (int step = 0; step < steps; ++step) {
      std::vector<int64_t> which(kBatch);
      for (int64_t& i : which) i = static_cast<int64_t>(random() % static_cast<uint64_t>(known));
      const auto [x, t] = digits.batch(which);
      const Tensor loss = gf::nn::cross_entropy(net(x), t);
      loss.backward();
      optimizer.step();
      if (step % 100 == 0 || step + 1 == steps) std::printf("step %4d  loss %.4f\n", step, loss.item());
    }

    int64_t right = 0;
    std::vector<int64_t> which(kBatch);
    for (int64_t first = known; first + kBatch <= digits.count(); first += kBatch) {
      for (int64_t k = 0; k < kBatch; ++k) which[static_cast<size_t>(k)] = first + k;
      const auto [x, t] = digits.batch(which);
      const std::vector<int64_t> guess = argmax(net(x), 1).to_vector<int64_t>(), shown = t.to_vector<int64_t>();
      for (size_t k = 0; k < guess.size(); ++k) right += guess[k] == shown[k] ? 1 : 0;
    }
    const int64_t asked = held_back / kBatch * kBatch;
    std::printf("%lld of %lld unseen digits right\n", static_cast<long long>(right), static_cast<long long>(asked));

    // The trained net as a file: weights become constants, and the passes of a conversion run.
    const Tensor x = Tensor::zeros({1, 1, 28, 28});
    gf::ir::Model model = gf::trace({{"x", x}}, {{"probabilities", softmax(net(x), 1)}}, {});
    model.metadata = {{"labels", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9"}, {"image", "nchw,gray,scale=1/255"}};
    gf::PassOptions passes;
    passes.evaluator = gf::make_evaluator(gf::default_tables(false));
    gf::run_passes(model, passes);
    const std::vector<std::byte> file = gf::emit(model);
    std::ofstream to(argv[3], std::ios::binary);
    to.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
    if (!to) throw gf::Exception(gf::Error::IoError, std::string("cannot write ") + argv[3]);
    std::printf("%s: %zu bytes\n", argv[3], file.size());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
