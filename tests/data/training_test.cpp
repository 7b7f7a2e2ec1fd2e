// A loader feeds a lazy training loop: it learns, and the losses are the same bits for any number of threads and after a resume.
#include "tests/data/data_support.h"
#include "tests/support/test_data.h"
#include "trainer/data/vision.h"
#include "trainer/nn/functional.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using namespace data;

struct Classifier {
  Classifier() : layer(first_values(), 10), optimizer(layer.parameters(), std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 3e-3})) {}
  static int64_t first_values() {
    nn::manual_seed(1);  // the same in each
    return 784;
  }
  Tensor scores(const Batch& b) { return layer(flatten(b.tensor("image"), 1)); }
  double step(const Batch& b) {
    const Tensor loss = nn::cross_entropy(scores(b), b.tensor("label"));
    loss.backward();
    optimizer.step();
    return loss.item();
  }
  nn::Linear layer;
  Trainable optimizer;
};

TEST(Training, ALoopOverALoaderLearnsDigits) {
  GF_SKIP_WITHOUT_DATA("mnist/t3k-images-idx3-ubyte.gz");
  const auto digits = std::make_shared<MNIST>(data_path("mnist/t3k-images-idx3-ubyte.gz").string(), data_path("mnist/t3k-labels-idx1-ubyte.gz").string());
  const auto parts = random_split(digits, std::vector<int64_t>{2500, 500}, 1);
  std::vector<std::vector<double>> losses;
  for (const int workers : {0, 2}) {
    Classifier net;
    DataLoader loader(parts[0], {.batch_size = 50, .shuffle = true, .num_workers = workers});
    losses.emplace_back();
    for (int epoch = 0; epoch < 4; ++epoch)
      for (auto& batch : loader) losses.back().push_back(net.step(batch));
    DataLoader unseen(parts[1], {.batch_size = 100});
    int64_t right = 0;
    for (auto& batch : unseen) {
      const auto guess = argmax(net.scores(batch), 1).to_vector<int64_t>(), shown = batch["label"].as<int64_t>();
      for (size_t i = 0; i < guess.size(); ++i) right += guess[i] == shown[i] ? 1 : 0;
    }
    EXPECT_GE(right, 400);  // LeCun et al. 1998: 88 % for linear classifiers trained on all 60,000
  }
  EXPECT_EQ(losses[0].size(), 200U);
  EXPECT_EQ(losses[0], losses[1]);

  // stopped in the middle of an epoch: another loader goes on from the position, with the same net
  Classifier net;
  DataLoader first(parts[0], {.batch_size = 50, .shuffle = true});
  std::vector<double> resumed;
  for (int i = 0; i < 70; ++i) {
    const Batch* b = first.next();
    if (b == nullptr) b = first.next();
    resumed.push_back(net.step(*b));
  }
  DataLoader second(parts[0], {.batch_size = 50, .shuffle = true, .seed = 5, .num_workers = 2});
  second.restore(first.position());
  for (auto& batch : second) resumed.push_back(net.step(batch));
  EXPECT_EQ(resumed, std::vector<double>(losses[0].begin(), losses[0].begin() + 100));
}

}  // namespace
}  // namespace gf::test
