// How many pictures a second a loader gives: loader_bench MNIST_IMAGES MNIST_LABELS prints one line per task and number of workers.
// Tasks: MNIST to floats, batches of 64; random 32 x 32 pictures cropped with padding, flipped and normalised, batches of 128. The best of
// three epochs, after one to warm up.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "trainer/include/ghostflow/train.h"

namespace {

using namespace gf::data;

void measure(const char* task, const DatasetPtr& dataset, int64_t batch) {
  for (const int workers : {0, 1, 2}) {
    DataLoader loader(dataset, {.batch_size = batch, .shuffle = true, .num_workers = workers});
    double best = 0;
    for (int epoch = 0; epoch < 4; ++epoch) {
      const auto begin = std::chrono::steady_clock::now();
      int64_t pictures = 0;
      for (auto& b : loader) pictures += b.size();
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (epoch > 0) best = std::max(best, static_cast<double>(pictures) / seconds);
    }
    std::printf("ghostflow %s workers %d: %.0f images/s\n", task, workers, best);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: loader_bench MNIST_IMAGES MNIST_LABELS\n");
    return 2;
  }
  try {
    measure("mnist", std::make_shared<MNIST>(argv[1], argv[2]), 64);
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "gf_loader_bench.bin";
    {
      std::ofstream to(file, std::ios::binary);
      Draws draws(1, Purpose::Sample, 0, 0);
      std::string record(3073, '\0');
      for (int i = 0; i < 20000; ++i) {
        for (char& c : record) c = static_cast<char>(draws.bits());
        record[0] = static_cast<char>(i % 10);
        to << record;
      }
    }
    const auto pictures = std::make_shared<CIFAR>(
        CIFAR::Kind::Cifar10, std::vector<std::string>{file.string()},
        VisionSettings{.transform = transforms(RandomCrop(32, 4), RandomHorizontalFlip(), ToFloat(), Normalize({0.49F, 0.48F, 0.45F}, {0.25F, 0.24F, 0.26F}))});
    std::filesystem::remove(file);
    measure("cifar", pictures, 128);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
