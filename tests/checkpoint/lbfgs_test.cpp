// A training with LBFGS that stops and goes on from a file: the same bits as without the stop, with and without line search, while the history
// grows and when it is full; and states that do not fit.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "trainer/checkpoint/directory.h"
#include "trainer/checkpoint/state.h"
#include "trainer/nn/activations.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/functional.h"
#include "trainer/nn/layers.h"
#include "trainer/nn/losses.h"
#include "trainer/optim/lbfgs.h"
#include "trainer/optim/optimizers.h"

namespace gf::test {
namespace {

using optim::LBFGS;
using optim::LbfgsSettings;

constexpr auto kWolfe = LbfgsSettings::LineSearch::StrongWolfe;

// Batches from the generator, averages, and a rate that is changed on the way.
struct Loop {
  std::shared_ptr<nn::Sequential> net;
  LBFGS optimizer;
  optim::AveragedWeights averages;

  explicit Loop(const LbfgsSettings& settings) : net(small_net()), optimizer(net->trainable_parameters(), settings), averages(net->trainable_parameters(), {.decay = 0.5}) {}
  static std::shared_ptr<nn::Sequential> small_net() {
    manual_seed(3);
    return std::make_shared<nn::Sequential>(std::initializer_list<std::shared_ptr<nn::Module>>{std::make_shared<nn::Linear>(5, 7), std::make_shared<nn::Tanh>(), std::make_shared<nn::Linear>(7, 3)});
  }
  LazyTraining parts() { return {.module = net.get(), .lbfgs = &optimizer, .averages = &averages}; }

  std::vector<double> steps(int count) {
    std::vector<double> losses;
    for (int i = 0; i < count; ++i) {
      const Tensor x = Tensor::from_array(randn({12, 5}).array()), t = Tensor::from_array(randint(0, 3, {12}).array());
      losses.push_back(optimizer.step([&] {
        Tensor l = nn::cross_entropy((*net)(x), t);
        l.backward();
        return l;
      }));
      averages.update();
      optimizer.set_learning_rate(optimizer.learning_rate() * 0.97);
    }
    return losses;
  }
};

io::Bytes file_of(Loop& loop, int64_t step) { return checkpoint_bytes(snapshot_of(loop.parts(), step)); }

TEST(LbfgsResume, GoesOnBitForBit) {
  const LbfgsSettings cases[] = {{.lr = 0.3, .max_iter = 4}, {.lr = 0.3, .max_iter = 4, .history_size = 5}, {.max_iter = 3, .history_size = 6, .line_search = kWolfe}, {.line_search = kWolfe}};
  for (const LbfgsSettings& settings : cases)
    for (const int cut : {1, 4}) {
      SCOPED_TRACE(testing::Message() << settings.history_size << " pairs, cut at " << cut);
      Loop whole(settings);
      const std::vector<double> losses = whole.steps(2 * cut);
      const io::Bytes end = file_of(whole, 2 * cut);
      const TempFolder folder;
      std::vector<double> have;
      {
        Loop first(settings);
        have = first.steps(cut);
        CheckpointDirectory(folder.path().string()).save(snapshot_of(first.parts(), cut));
        first.steps(1);  // lost
      }
      Loop again(settings);
      again.steps(3);  // of no account
      const auto loaded = CheckpointDirectory(folder.path().string()).load_latest();
      ASSERT_TRUE(loaded.has_value());
      EXPECT_TRUE(restore(loaded->checkpoint, again.parts()).same_graph);
      for (const double loss : again.steps(cut)) have.push_back(loss);
      EXPECT_EQ(have, losses);
      EXPECT_EQ(again.optimizer.iterations(), whole.optimizer.iterations());
      EXPECT_EQ(again.optimizer.evaluations(), whole.optimizer.evaluations());
      EXPECT_TRUE(file_of(again, 2 * cut) == end);
    }
}

// The history matters: without it the same steps go elsewhere.
TEST(LbfgsResume, WithoutItsHistoryItGoesElsewhere) {
  const LbfgsSettings settings{.lr = 0.3, .max_iter = 4};
  Loop whole(settings), without(settings);
  whole.steps(2);
  const Checkpoint c = parse_checkpoint(file_of(whole, 2), "file");
  const std::vector<double> want = whole.steps(2);
  restore(c, without.parts());
  LBFGS fresh(without.net->trainable_parameters(), settings);
  fresh.set_learning_rate(without.optimizer.learning_rate());
  without.optimizer = std::move(fresh);
  const std::vector<double> have = without.steps(2);
  EXPECT_EQ(have[0], want[0]) << "the loss of before the first step";
  EXPECT_NE(have[1], want[1]);
}

TEST(LbfgsResume, BeforeTheFirstStep) {
  const LbfgsSettings settings{.line_search = kWolfe};
  Loop a(settings), b(settings);
  const Checkpoint c = parse_checkpoint(file_of(a, 0), "file");
  EXPECT_EQ(c.find("optimizer.lbfgs.products")->shape, std::vector<int64_t>{0});
  EXPECT_EQ(c.counters.at("optimizer.rule.0"), "LBFGS");
  const std::vector<double> want = a.steps(2);
  b.steps(1);
  restore(c, b.parts());
  EXPECT_EQ(b.steps(2), want);
}

TEST(LbfgsResume, Misfits) {
  const LbfgsSettings settings{.lr = 0.3, .max_iter = 4, .history_size = 6};
  Loop loop(settings);
  loop.steps(3);
  const auto now = [&] {  // the other trainings below draw from the same generator
    LazyTraining parts = loop.parts();
    parts.generator = nullptr;
    return checkpoint_bytes(snapshot_of(parts, 3));
  };
  const io::Bytes before = now();
  const auto refused = [&](Error code, const std::string& text, const Checkpoint& c) {
    expect_refused(code, text, [&] { restore(c, loop.parts()); });
    EXPECT_TRUE(now() == before) << text;
  };
  const auto changed = [&](const std::function<void(Snapshot&)>& change) {
    Snapshot s = snapshot_of(loop.parts(), 3);
    change(s);
    return parse_checkpoint(checkpoint_bytes(s), "file");
  };
  const auto numbers = [&](const std::string& name, const std::vector<double>& values) {
    return changed([&](Snapshot& s) {
      for (io::SafeTensor& t : s.tensors)
        if (t.name == name) t.data = std::as_bytes(std::span(values));
    });
  };
  Loop longer({.lr = 0.3, .max_iter = 4, .history_size = 8});
  longer.steps(4);
  refused(Error::ShapeMismatch, "'0.weight.lbfgs_gradients' has shape [8, 7, 5], the training's is [6, 7, 5]", parse_checkpoint(file_of(longer, 4), "file"));
  refused(Error::NotFound, "missing: '2.bias.lbfgs_steps'", changed([](Snapshot& s) { std::erase_if(s.tensors, [](const io::SafeTensor& t) { return t.name == "2.bias.lbfgs_steps"; }); }));
  refused(Error::BadData, "'optimizer.lbfgs.products' has -1", numbers("optimizer.lbfgs.products", {1, 1, 1, -1, 1, 1}));
  for (const std::vector<double>& bad : {std::vector<double>{std::nan(""), 1, 2, 3, 1}, {1, 0, 2, 3, 1}, {1, 1, -2, 3, 1}, {1, 1, 2, 3.5, 1}, {1, 1, 2, 0x1p60, 1}, {1, 1, 2, 3, 2}, {1, 1, 2, 3, 0}})
    refused(Error::BadData, "'optimizer.lbfgs' does not hold a length, a scale, two counts and 0 or 1", numbers("optimizer.lbfgs", bad));
  refused(Error::BadData, "optimizer.lr.0", numbers("optimizer.lr.0", {-1}));
  // another optimizer, either way
  const auto net = Loop::small_net();
  Trainable adam(net->trainable_parameters(), std::make_shared<optim::Adam>(optim::AdamSettings{}));
  const LazyTraining by_adam{.module = net.get(), .optimizer = &adam};
  refused(Error::NotFound, "was trained by Adam, the optimizer is LBFGS", parse_checkpoint(checkpoint_bytes(snapshot_of(by_adam, 3)), "file"));
  const Checkpoint mine = parse_checkpoint(before, "file");
  expect_refused(Error::NotFound, "was trained by LBFGS, the optimizer is Adam", [&] { restore(mine, by_adam); });
  expect_refused(Error::InvalidArgument, "the state of one optimizer", [&] { (void)snapshot_of({.module = net.get(), .optimizer = &adam, .lbfgs = &loop.optimizer}, 0); });
  const auto other = Loop::small_net();
  LBFGS stranger(other->trainable_parameters());
  expect_refused(Error::NotFound, "parameter 0 of LBFGS is not among the names given", [&] { (void)snapshot_of({.module = net.get(), .lbfgs = &stranger}, 0); });
}

}  // namespace
}  // namespace gf::test
