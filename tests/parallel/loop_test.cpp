// Trainer over ranks: one process that accumulates is the measure; checkpoints go on with other numbers of ranks; what one rank does wrong.
#include "trainer/loop/trainer.h"

#include <cmath>
#include <filesystem>

#include "facade/convert.h"
#include "tests/parallel/ranks.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "trainer/checkpoint/state.h"
#include "trainer/models/small.h"
#include "trainer/nn/init.h"
#include "trainer/optim/optimizers.h"
#include "trainer/parallel/ops.h"
#include "trainer/parallel/shards.h"
#include "trainer/step/training_model.h"

namespace gf::test {
namespace {

using data::DataLoader;
using parallel::Communicator;

constexpr int64_t kSamples = 50, kBatch = 4, kPerEpoch = kSamples / (2 * kBatch);

data::DatasetPtr samples(int64_t size = kSamples, int64_t bad_label = -1, float bad_number = 0) {
  std::vector<float> x;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t k = 0; k < 6; ++k) x.push_back(std::sin(static_cast<float>(i * 6 + k)) + (k == i % 3 ? 1.0f : 0.0f));
    labels.push_back(i % 3);
  }
  if (bad_label >= 0) labels[static_cast<size_t>(bad_label)] = 7;
  if (std::isnan(bad_number)) x[40] = bad_number;
  return std::make_shared<data::TensorDataset>(std::vector<io::NamedArray>{{"x", io::Array::from(x, {size, 6})}, {"label", io::Array::from(labels, {size})}});
}

struct Options {
  int ranks = 0, shared_by = 0;
  uint64_t seed = 3;
  bool accumulates = false;
  double lr = 0.05;
};
std::vector<std::byte> model_file(const Options& o) {
  nn::manual_seed(o.seed);
  models::Mlp net({.sizes = {6, 16, 3}});
  TrainingModelOptions t;
  t.shape = {6};
  t.batch = kBatch;
  t.evaluate_batch = 5;
  t.loss = "cross_entropy";
  t.optimizer = std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = o.lr});
  if (o.accumulates) t.step.accumulate_entry = "accumulate";
  if (o.ranks > 0) t.step.parallel = parallel::StepSettings{.ranks = o.ranks, .shard_optimizer = o.shared_by > 0, .bucket_bytes = 64};
  ir::Model graph = training_model(net, t);
  return emit(graph);
}
Model load(const std::vector<std::byte>& file) {
  ModelOptions how;
  how.threads = 1;
  parallel::add_transfer_ops(how);
  return Model::from_bytes(file, how);
}

struct Outcome {
  FitResult result;
  std::map<std::string, std::vector<std::byte>> states;
};
void take_states(Outcome& to, const Snapshot& s) {
  for (const io::SafeTensor& t : s.tensors)
    if (!t.name.ends_with(".gradient") && t.name != kAddedState) to.states[t.name] = {t.data.begin(), t.data.end()};
}
DataLoader loader(const data::DatasetPtr& d, int rank, int world) { return DataLoader(d, {.batch_size = kBatch, .shuffle = true, .drop_last = true, .seed = 9, .rank = rank, .world = world}); }
DataLoader validation() { return DataLoader(samples(35), {.batch_size = 5}); }

Outcome one_process(FitSettings s) {
  Trainer trainer(load(model_file({.accumulates = true})));
  s.accumulate = 2;
  DataLoader train = loader(samples(), 0, 1), check = validation();
  Outcome o{trainer.fit(train, &check, s), {}};
  take_states(o, snapshot_of(trainer.model().program(), *trainer.model().state(), 0));
  return o;
}
Outcome on_rank(Communicator& all, const std::vector<std::byte>& file, FitSettings s, const data::DatasetPtr& d = samples()) {
  Trainer trainer(load(file));
  s.ranks = &all;
  DataLoader train = loader(d, all.rank(), all.size()), check = validation();
  Outcome o{trainer.fit(train, &check, s), {}};
  take_states(o, parallel::whole_snapshot(all, trainer.model().program(), *trainer.model().state(), 0));
  return o;
}
std::vector<Outcome> two_ranks(const std::vector<std::byte>& file, const FitSettings& s) {
  std::vector<Outcome> outcomes(2);
  run_ranks(2, [&](Communicator& all) { outcomes[static_cast<size_t>(all.rank())] = on_rank(all, file, s); });
  return outcomes;
}
void expect_same(const Outcome& have, const Outcome& want) {
  ASSERT_EQ(have.states.size(), want.states.size());
  for (const auto& [name, bytes] : want.states) EXPECT_TRUE(have.states.at(name) == bytes) << name;
  EXPECT_EQ(have.result.step, want.result.step);
  ASSERT_EQ(have.result.validation.size(), want.result.validation.size());
  for (size_t i = 0; i < want.result.validation.size(); ++i) EXPECT_NEAR(have.result.validation[i].second, want.result.validation[i].second, 1e-6);
}

struct Heard final : FitListener {
  std::vector<int64_t> saves;
  std::vector<std::string> notes;
  std::vector<StepReport> steps;
  void step(const StepReport& r) override { steps.push_back(r); }
  void saved(int64_t step) override { saves.push_back(step); }
  void note(const std::string& line) override { notes.push_back(line); }
};

TEST(ParallelLoop, RanksAreOneProcessThatAccumulates) {
  const FitSettings s{.epochs = 2};
  const Outcome want = one_process(s);
  EXPECT_EQ(want.result.step, 2 * kPerEpoch);
  for (const int shared_by : {0, 2})
    for (const Outcome& o : two_ranks(model_file({.ranks = 2, .shared_by = shared_by}), s)) expect_same(o, want);
}

// 7 steps by one number of ranks and 7 by another are 14 of one process; only rank 0 is heard and writes.
TEST(ParallelLoop, GoesOnWithAnotherNumberOfRanks) {
  const Outcome want = one_process({.steps = 14});
  for (const bool ranks_first : {true, false})
    for (const int shared_by : {0, 2}) {
      SCOPED_TRACE(std::to_string(ranks_first) + ", state shared by " + std::to_string(shared_by));
      const TempFolder folder;
      const auto heard = std::make_shared<Heard>();
      FitSettings first{.steps = 7, .save_every = 4}, then{.steps = 14};
      first.checkpoints = then.checkpoints = folder.path("run").string();
      first.listeners = {heard};
      then.resume = true;
      const auto file = model_file({.ranks = 2, .shared_by = shared_by, .accumulates = true});  // State for sums, as the other has
      if (ranks_first) (void)two_ranks(file, first);
      else (void)one_process(first);
      EXPECT_EQ(heard->saves, (std::vector<int64_t>{4, 7}));
      EXPECT_EQ(heard->steps.size(), 7U);
      if (ranks_first) expect_same(one_process(then), want);
      else
        for (const Outcome& o : two_ranks(file, then)) expect_same(o, want);
    }
}

TEST(ParallelLoop, StopsTogether) {
  const TempFolder folder;
  std::atomic<bool> asked[2] = {false, true};  // rank 1 alone hears it
  std::vector<Outcome> outcomes(2);
  const auto file = model_file({.ranks = 2});  // here: first weights come from a generator that all threads share
  run_ranks(2, [&](Communicator& all) {
    FitSettings s{.steps = 14};
    s.checkpoints = folder.path("run").string();
    s.stop = &asked[all.rank()];
    outcomes[static_cast<size_t>(all.rank())] = on_rank(all, file, s);
  });
  for (const Outcome& o : outcomes) {
    EXPECT_EQ(o.result.end, FitResult::End::Stopped);
    EXPECT_EQ(o.result.step, 1);
  }
  EXPECT_EQ(CheckpointDirectory(folder.path("run").string()).load_latest()->checkpoint.step, 1);
}

TEST(ParallelLoop, ANaNOfOneRankEndsAllAlike) {
  const TempFolder folder;
  FitSettings s{.steps = 14, .save_every = 1};
  s.checkpoints = folder.path("run").string();
  const auto file = model_file({.ranks = 2});
  (void)two_ranks(file, {.steps = 1, .checkpoints = s.checkpoints});
  s.resume = true;
  const auto errors = run_ranks_to_end(2, [&](Communicator& all) { (void)on_rank(all, file, s, samples(kSamples, -1, NAN)); });
  EXPECT_NE(errors[0].find("is NaN; the checkpoint of step "), std::string::npos) << errors[0];
  EXPECT_EQ(errors[1], errors[0]);
  const auto last = CheckpointDirectory(s.checkpoints).load_latest();
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->skipped.empty());
  EXPECT_GE(last->checkpoint.step, 1);
}

TEST(ParallelLoop, AnErrorOfOneRankEndsTheOthers) {
  const TempFolder folder;
  FitSettings s{.steps = 14, .save_every = 1};
  s.checkpoints = folder.path("run").string();
  const auto file = model_file({.ranks = 2});
  const auto errors = run_ranks_to_end(2, [&](Communicator& all) { (void)on_rank(all, file, s, samples(kSamples, 20)); });
  const bool second = errors[0].starts_with("rank 1: ");
  EXPECT_NE(errors[0].find("train_step: "), std::string::npos) << errors[0];
  EXPECT_NE(errors[0].find("7"), std::string::npos) << errors[0];
  EXPECT_NE(errors[second ? 1 : 0], errors[second ? 0 : 1]);
  for (const std::string& e : errors) EXPECT_FALSE(e.empty());
  CheckpointDirectory left(s.checkpoints);
  if (!left.steps().empty()) {
    EXPECT_TRUE(left.load_latest()->skipped.empty());
  }
}

// What is not alike on all ranks is said by name, on each.
TEST(ParallelLoop, RanksThatDiffer) {
  const auto file = model_file({.ranks = 2}), other_net = model_file({.ranks = 2, .seed = 4}), other_rule = model_file({.ranks = 2, .shared_by = 2}), alone_file = model_file({});
  const auto errors_of = [&](const std::function<void(Communicator&)>& f) { return run_ranks_to_end(2, f); };
  const auto expect_both = [](const std::vector<std::string>& errors, const std::string& text) {
    for (const std::string& e : errors) EXPECT_NE(e.find(text), std::string::npos) << e;
  };
  const FitSettings s{.steps = 3};
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, all.rank() == 0 ? file : other_net, s); }), "rank 1 has other weights to begin with than rank 0");
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, all.rank() == 0 ? file : other_rule, s); }), "rank 1 has another model than rank 0");
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, file, {.steps = 3 + all.rank()}); }), "rank 1 has other settings than rank 0");
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, file, s, samples(kSamples - all.rank())); }), "rank 1 has other data than rank 0");
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, alone_file, s); }), "talks to no other rank");
  expect_both(errors_of([&](Communicator& all) {
                Trainer trainer(load(file));
                DataLoader train = loader(samples(), 0, 1);
                FitSettings own = s;
                own.ranks = &all;
                (void)trainer.fit(train, own);
              }), "the data is read as rank 0 of 1");
  const auto three = model_file({.ranks = 3, .shared_by = 3});
  expect_both(errors_of([&](Communicator& all) { (void)on_rank(all, three, s); }), "made for 3 ranks");
  Trainer alone(load(file));
  DataLoader train = loader(samples(), 0, 1);
  expect_refused(Error::InvalidArgument, "is one of several ranks: give FitSettings::ranks", [&] { (void)alone.fit(train, s); });
}

}  // namespace
}  // namespace gf::test
