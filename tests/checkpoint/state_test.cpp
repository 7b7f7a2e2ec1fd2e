// Trainings that stop and go on from a file: the same bits as without the stop, lazily, strictly, and from the one to the other; and
// checkpoints that do not fit.
#include "trainer/checkpoint/state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "facade/convert.h"
#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "io/npy.h"
#include "runtime/include/ghostflow/model.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "trainer/checkpoint/directory.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/dropout.h"
#include "trainer/nn/layers.h"
#include "trainer/nn/losses.h"
#include "trainer/nn/norm.h"
#include "trainer/nn/functional.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/recording.h"

namespace gf::test {
namespace {

using checkpoint::Texts;
using Rule = std::shared_ptr<const optim::Optimizer>;

Rule adamw() { return std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-2}); }
Rule adam() { return std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 1e-2}); }
Rule sgd() { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 1e-2, .momentum = 0.9}); }

std::shared_ptr<nn::Sequential> small_net(int64_t hidden = 16) {
  manual_seed(5);
  return std::make_shared<nn::Sequential>(std::initializer_list<std::shared_ptr<nn::Module>>{
      std::make_shared<nn::Linear>(8, hidden), std::make_shared<nn::BatchNorm1d>(hidden), std::make_shared<nn::Dropout>(0.25), std::make_shared<nn::Linear>(hidden, 3)});
}

std::string bits(const io::Array& a) { return {reinterpret_cast<const char*>(a.data.data()), a.data.size()}; }
std::string bits(const Snapshot& s) {
  std::string all;
  for (const io::SafeTensor& t : s.tensors) all += t.name + ":" + std::string(reinterpret_cast<const char*>(t.data.data()), t.data.size()) + "\n";
  for (const auto& [key, value] : s.counters) all += key + "=" + value + "\n";
  return all;
}
Checkpoint through_a_file(const Snapshot& s) { return parse_checkpoint(checkpoint_bytes(s), "file"); }

// A loop with all that has state: batches from the generator, batch norm, dropout, moments, a schedule, averages.
struct Loop {
  std::shared_ptr<nn::Sequential> net = small_net();
  Trainable optimizer;
  optim::AveragedWeights averages{net->trainable_parameters(), {.decay = 0.9}};
  optim::Scheduler schedule{optim::schedule::exponential({.gamma = 0.9}), {1e-2}};

  explicit Loop(const Rule& rule = adamw()) : optimizer(net->trainable_parameters(), rule) {}
  LazyTraining parts() { return {.module = net.get(), .optimizer = &optimizer, .averages = &averages}; }

  std::string steps(int count) {
    std::string losses;
    for (int i = 0; i < count; ++i) {
      const Tensor x = randn({6, 8}), t = randint(0, 3, {6});
      optimizer.set_learning_rate(schedule.learning_rate());
      const Tensor loss = nn::cross_entropy((*net)(x), t);
      loss.backward();
      optimizer.step();
      averages.update();
      schedule.step();
      losses += bits(loss.array());
    }
    return losses;
  }
  Snapshot take() {
    Snapshot s = snapshot_of(parts(), optimizer.steps());
    checkpoint::put_schedule(s.counters, "schedule", schedule.state());
    return s;
  }
  Restored put(const Checkpoint& c) {
    const Restored r = restore(c, parts());
    schedule.restore(checkpoint::schedule_of(c.counters, "schedule"));
    return r;
  }
};

TEST(Resume, LazyTrainingGoesOnBitForBit) {
  std::string losses, end;
  {
    Loop whole;
    losses = whole.steps(8);
    end = bits(whole.take());
  }
  const TempFolder folder;
  std::string first;
  {
    Loop loop;
    CheckpointDirectory saved(folder.path().string());
    first = loop.steps(3);
    saved.save(loop.take());
    first += loop.steps(2);
    saved.save(loop.take());
    loop.steps(1);  // lost
  }
  Loop again;
  again.steps(2);  // of no account
  CheckpointDirectory saved(folder.path().string());
  const auto loaded = saved.load_latest();
  EXPECT_EQ(loaded->checkpoint.step, 5);
  EXPECT_TRUE(again.put(loaded->checkpoint).same_graph);
  EXPECT_EQ(again.optimizer.steps(), 5);
  EXPECT_EQ(first + again.steps(3), losses);
  EXPECT_EQ(bits(again.take()), end);
}

TEST(Resume, SavingChangesNothing) {
  Loop a;
  const std::string want = a.steps(6);
  Loop b;
  std::string have;
  for (int i = 0; i < 6; ++i) {
    have += b.steps(1);
    const Checkpoint c = through_a_file(b.take());
    EXPECT_EQ(bits(c).size(), bits(b.take()).size());
  }
  EXPECT_EQ(have, want);
}

TEST(Resume, NamesAreThoseOfPyTorchAndOfStrictSteps) {
  Loop loop;
  loop.steps(1);
  const Snapshot s = loop.take();
  std::vector<std::string> names;
  for (const io::SafeTensor& t : s.tensors) names.push_back(t.name);
  for (const char* name : {"0.weight", "1.running_mean", "1.running_var", "2.draws", "3.bias", "0.weight.exp_avg", "1.bias.exp_avg_sq", "optimizer.step", "optimizer.lr.0",
                           "0.weight.average", "optimizer.averaged"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  EXPECT_EQ(s.counters.at("optimizer.rule.0"), "AdamW");
  EXPECT_EQ(s.find("optimizer.step")->to_array().as<double>()[0], 1);
  EXPECT_EQ(s.find("2.draws")->to_array().as<int64_t>()[0], 1);
}

// --- the strict way

const Shape64 kBatch = {6, 8};

std::vector<std::byte> step_file(const Rule& rule, int64_t batch = 6, std::optional<optim::AverageSettings> averages = {}) {
  const auto net = small_net();
  std::vector<std::string> names;
  for (const auto& [name, p] : net->named_parameters()) names.push_back(name);
  const Tensor x = Tensor::zeros({batch, 8}), t = Tensor::zeros({batch}, DType::I64);
  ir::Model graph = trace_call({{"x", x}, {"t", t}}, net->full_state(), [&] { return NamedTensors{{"loss", nn::cross_entropy((*net)(x), t)}}; });
  TrainStepOptions step;
  step.averages = averages;
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, rule}}, step);
  PassOptions options;
  options.exact = true;
  options.evaluator = make_evaluator(default_tables(false));
  run_passes(graph, options);
  return emit(graph);
}
ModelOptions with(int threads) {
  ModelOptions options;
  options.threads = threads;
  options.xnnpack = false;
  return options;
}
struct Strict {
  Model model;
  Generator batches{9};
  explicit Strict(const Rule& rule = adamw(), int64_t batch = 6, std::optional<optim::AverageSettings> averages = {}, int threads = 1)
      : model(Model::from_bytes(step_file(rule, batch, averages), with(threads))) {}
  void set(const Tensor& x, const Tensor& t) {
    std::memcpy(model.input<float>("x").data(), x.array().data.data(), x.array().data.size());
    std::memcpy(model.input<int64_t>("t").data(), t.array().data.data(), t.array().data.size());
  }
  std::string steps(int count) {
    std::string losses;
    for (int i = 0; i < count; ++i) {
      const Tensor x = randn(kBatch, DType::F32, batches), t = randint(0, 3, {6}, batches);
      set(x, t);
      model.run();
      losses += std::to_string(model.output<float>("loss")[0]);
    }
    return losses;
  }
  Snapshot take(int64_t step) {
    Snapshot s = snapshot_of(model.program(), *model.state(), step);
    checkpoint::put_whole(s.counters, "loader.draws", batches.draws());
    return s;
  }
  Restored put(const Checkpoint& c) {
    const Restored r = restore(c, model.program(), *model.state());
    batches = Generator(9, checkpoint::whole_of(c.counters, "loader.draws"));
    return r;
  }
};

TEST(Resume, StrictTrainingGoesOnBitForBit) {
  Strict whole;
  const std::string losses = whole.steps(8), end = bits(whole.take(8));
  std::string first;
  io::Bytes file;
  {
    Strict s;
    first = s.steps(5);
    file = checkpoint_bytes(s.take(5));
    s.steps(1);
  }
  for (const int threads : {1, 2}) {
    Strict again(adamw(), 6, {}, threads);
    again.steps(2);
    EXPECT_TRUE(again.put(parse_checkpoint(file, "file")).same_graph);
    EXPECT_EQ(first + again.steps(3), losses);
    EXPECT_EQ(bits(again.take(8)), end);
  }
}

TEST(Resume, AnotherGraphOfTheSameTensorsIsTold) {
  Strict six, twelve(adamw(), 12);
  six.steps(1);
  const Checkpoint c = through_a_file(six.take(1));
  EXPECT_FALSE(twelve.put(c).same_graph);
  EXPECT_EQ(bits(twelve.take(1)), bits(six.take(1)));
}

// Lazy and strict training are equal bit for bit (trace_test.cpp); so are a lazy training, and one that goes on strictly.
TEST(Resume, FromLazyToStrictAndBack) {
  const auto lazy_steps = [](nn::Sequential& net, Trainable& optimizer, Generator& g, int count) {
    for (int i = 0; i < count; ++i) {
      const Tensor x = Tensor::from_array(randn(kBatch, DType::F32, g).array()), t = Tensor::from_array(randint(0, 3, {6}, g).array());
      nn::cross_entropy(net(x), t).backward();
      optimizer.step();
    }
  };
  const auto net = small_net();
  Trainable optimizer(net->trainable_parameters(), adamw());
  Generator batches(9);
  const LazyTraining lazy = {.module = net.get(), .optimizer = &optimizer, .generator = nullptr};
  lazy_steps(*net, optimizer, batches, 3);
  Strict strict;
  EXPECT_FALSE(restore(through_a_file(snapshot_of(lazy, 3)), strict.model.program(), *strict.model.state()).same_graph);
  strict.batches = batches;
  strict.steps(3);
  lazy_steps(*net, optimizer, batches, 3);
  const auto sorted = [](Snapshot s) {
    std::sort(s.tensors.begin(), s.tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    s.counters.clear();
    return s;
  };
  EXPECT_EQ(bits(sorted(snapshot_of(lazy, 6))), bits(sorted(strict.take(6))));
  const auto other = small_net();
  Trainable other_optimizer(other->trainable_parameters(), adamw());
  restore(through_a_file(strict.take(6)), {.module = other.get(), .optimizer = &other_optimizer, .generator = nullptr});
  EXPECT_EQ(other_optimizer.steps(), 6);
  lazy_steps(*other, other_optimizer, strict.batches, 2);
  lazy_steps(*net, optimizer, batches, 2);
  EXPECT_EQ(bits(snapshot_of({.module = other.get(), .optimizer = &other_optimizer, .generator = nullptr}, 8)), bits(snapshot_of(lazy, 8)));
}

// --- what does not fit

struct Wanted {
  Error code;
  std::vector<std::string> texts;
};
template <class F>
void refused(const Wanted& wanted, F&& f) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown: " << wanted.texts[0];
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), wanted.code) << e.what();
    for (const std::string& text : wanted.texts) EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << "'" << text << "' is not in: " << e.what();
  }
}

TEST(Misfit, LazySaysAllThatDiffersAndChangesNothing) {
  const Checkpoint by_sgd = through_a_file(Loop(sgd()).take()), by_adam = through_a_file(Loop(adam()).take());
  Loop loop;
  loop.steps(2);
  const std::string before = bits(loop.take());
  const auto expect = [&](const Wanted& wanted, const Checkpoint& c) {
    refused(wanted, [&] { restore(c, loop.parts()); });
    EXPECT_EQ(bits(loop.take()), before);
  };
  const auto changed = [&](const auto& change) {
    Snapshot s = loop.take();
    change(s);
    return through_a_file(s);
  };
  static const double kNumbers[] = {-1, std::nan(""), 0x1p63, 2.5, std::numeric_limits<double>::infinity()};
  expect({Error::NotFound, {"the checkpoint of step 2 does not fit", "missing: '0.weight', '3.bias'", "unexpected: 'another', 'one more'", "'1.weight' has shape [4, 4], the training's is [16]",
                            "'1.bias' is int32, the training's is float32"}},
         changed([](Snapshot& s) {
           std::erase_if(s.tensors, [](const io::SafeTensor& t) { return t.name == "0.weight" || t.name == "3.bias"; });
           for (const char* name : {"another", "one more"}) s.tensors.push_back({name, DType::F32, {0}, {}});
           for (io::SafeTensor& t : s.tensors) {
             if (t.name == "1.weight") t.shape = {4, 4};
             if (t.name == "1.bias") t.dtype = DType::I32;
           }
         }));
  expect({Error::ShapeMismatch, {"'1.weight' has shape [4, 4]"}}, changed([](Snapshot& s) {
           for (io::SafeTensor& t : s.tensors)
             if (t.name == "1.weight") t.shape = {4, 4};
         }));
  expect({Error::TypeMismatch, {"'1.weight' is int32"}}, changed([](Snapshot& s) {
           for (io::SafeTensor& t : s.tensors)
             if (t.name == "1.weight") t.dtype = DType::I32;
         }));
  for (const double& number : kNumbers)
    for (const char* name : {"optimizer.step", "optimizer.averaged", "optimizer.lr.0"})
      if (number != 2.5 || std::string(name) != "optimizer.lr.0")
        if (number != 0x1p63 || std::string(name) != "optimizer.lr.0")
          expect({Error::BadData, {name}}, changed([&](Snapshot& s) {
                   for (io::SafeTensor& t : s.tensors)
                     if (t.name == name) t.data = std::as_bytes(std::span(&number, 1));
                 }));
  expect({Error::NotFound, {"random.draws"}}, changed([](Snapshot& s) { s.counters.erase("random.draws"); }));
  expect({Error::BadData, {"random.seed", "-3"}}, changed([](Snapshot& s) { s.counters["random.seed"] = "-3"; }));
  // optimizers: other slots, or equal slots by another rule
  expect({Error::NotFound, {"missing", "'0.weight.exp_avg'", "unexpected: '0.bias.momentum_buffer'", "was trained by SGD, the optimizer is AdamW"}}, by_sgd);
  expect({Error::InvalidArgument, {"group 0 was trained by Adam, the optimizer is AdamW"}}, by_adam);
  refused({Error::InvalidArgument, {"module"}}, [&] { (void)snapshot_of(LazyTraining{}, 0); });
}

TEST(Misfit, StrictSaysAllThatDiffersAndChangesNothing) {
  Strict strict, with_momentum(sgd()), with_averages(adamw(), 6, optim::AverageSettings{});
  strict.steps(2);
  const std::string before = bits(strict.take(2));
  const auto expect = [&](const Wanted& wanted, const Checkpoint& c) {
    refused(wanted, [&] { restore(c, strict.model.program(), *strict.model.state()); });
    EXPECT_EQ(bits(strict.take(2)), before);
  };
  expect({Error::NotFound, {"missing: ", "'0.weight.exp_avg'", "'3.bias.exp_avg_sq'", "unexpected: ", "'3.bias.momentum_buffer'"}}, through_a_file(with_momentum.take(1)));
  expect({Error::NotFound, {"unexpected: ", "'0.weight.average'", "'optimizer.averaged'"}}, through_a_file(with_averages.take(1)));
  static const double kBad[] = {-1, 0x1p63, std::nan("")};
  for (const double& number : kBad) {
    Snapshot s = strict.take(2);
    for (io::SafeTensor& t : s.tensors)
      if (t.name == "optimizer.step") t.data = std::as_bytes(std::span(&number, 1));
    expect({Error::BadData, {"optimizer.step"}}, through_a_file(s));
  }
}

TEST(Misfit, OptimizerStateDict) {
  const auto net = small_net();
  Trainable one(net->trainable_parameters(), adamw()), two(net->trainable_parameters(), adamw());
  nn::cross_entropy((*net)(randn(kBatch)), randint(0, 3, {6})).backward();
  one.step();
  const NamedTensors numbered = one.state_dict(), named = one.state_dict(net->named_parameters());
  ASSERT_EQ(numbered.size(), named.size());
  EXPECT_EQ(numbered[2].first, "0.exp_avg");
  EXPECT_EQ(named[2].first, "0.weight.exp_avg");
  two.load_state_dict(numbered);
  EXPECT_EQ(two.steps(), 1);
  for (size_t i = 0; i < named.size(); ++i) EXPECT_EQ(two.state_dict()[i].second.array(), named[i].second.array()) << named[i].first;
  refused({Error::NotFound, {"missing", "unexpected: '0.bias.exp_avg'"}}, [&] { two.load_state_dict(named); });
  NamedTensors bad = numbered;
  bad[1].second = Tensor::scalar(-1, DType::F64);
  refused({Error::BadData, {"optimizer.lr.0"}}, [&] { two.load_state_dict(bad); });
  NamedTensors names = net->named_parameters();
  names.pop_back();
  refused({Error::NotFound, {"parameter 5"}}, [&] { (void)one.state_dict(names); });
  NamedTensors twice = numbered;
  twice.push_back(twice.back());
  refused({Error::NotFound, {"unexpected"}}, [&] { two.load_state_dict(twice); });
}

TEST(Counters, NumbersComeBackExactly) {
  Texts t;
  const std::vector<double> numbers = {0.1, -0.0, 1e300, std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::infinity(), 3};
  checkpoint::put_numbers(t, "a", numbers);
  checkpoint::put_numbers(t, "none", {});
  checkpoint::put_whole(t, "whole", UINT64_MAX);
  const auto back = checkpoint::numbers_of(t, "a");
  ASSERT_EQ(back.size(), numbers.size());
  EXPECT_EQ(std::memcmp(back.data(), numbers.data(), numbers.size() * sizeof(double)), 0);
  EXPECT_TRUE(checkpoint::numbers_of(t, "none").empty());
  EXPECT_EQ(checkpoint::whole_of(t, "whole"), UINT64_MAX);
  for (const char* bad : {"x", "1 ", " 1", "1  2", "1,2", "0x"}) {
    t["a"] = bad;
    refused({Error::BadData, {"'a'"}}, [&] { (void)checkpoint::numbers_of(t, "a"); });
  }
  for (const char* bad : {"", "-1", "1.5", "18446744073709551616"}) {
    t["a"] = bad;
    refused({Error::BadData, {"'a'"}}, [&] { (void)checkpoint::whole_of(t, "a"); });
  }
  refused({Error::NotFound, {"'b'"}}, [&] { (void)checkpoint::numbers_of(t, "b"); });
  refused({Error::NotFound, {"'schedule'"}}, [&] { (void)checkpoint::schedule_of(t, "schedule"); });
  optim::Plateau plateau({}, {0.1}), other({}, {0.2});
  plateau.step(3);
  checkpoint::put_schedule(t, "plateau", plateau.state());
  other.restore(checkpoint::schedule_of(t, "plateau"));
  EXPECT_EQ(other.state(), plateau.state());
}

// --- weights alone

TEST(Weights, OutAndIn) {
  const TempFolder folder;
  Loop loop;
  loop.steps(2);
  const NamedTensors weights = loop.net->state_dict();
  for (const char* name : {"w.safetensors", "w.npz"}) {
    const std::string path = folder.path(name).string();
    export_weights(path, weights);
    const auto other = small_net();
    const Imported left = import_weights(path, *other);
    EXPECT_TRUE(left.missing.empty() && left.unexpected.empty());
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(other->state_dict()[i].second.array(), weights[i].second.array()) << name << " " << weights[i].first;
    Strict strict;
    import_weights(path, strict.model.program(), *strict.model.state(), false);  // its counter of draws is not among them
    const std::string again = folder.path(std::string("again_") + name).string();
    export_weights(again, strict.model.program(), *strict.model.state());
    const auto third = small_net();
    EXPECT_EQ(import_weights(again, *third, false).unexpected, std::vector<std::string>{"2.draws"});
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(third->state_dict()[i].second.array(), weights[i].second.array()) << name << " " << weights[i].first;
    const auto wider = small_net(17);
    const std::string before = bits(wider->state_dict()[0].second.array());
    refused({Error::ShapeMismatch, {path, "'0.weight' has shape [16, 8], the model's is [17, 8]", "'3.weight'"}}, [&] { import_weights(path, *wider); });
    EXPECT_EQ(bits(wider->state_dict()[0].second.array()), before);
  }
  // a checkpoint is a file of weights too
  const std::string checkpoint = folder.path("c.safetensors").string();
  write_checkpoint(checkpoint, loop.take());
  const auto from_checkpoint = small_net();
  refused({Error::NotFound, {"unexpected", "'0.weight.exp_avg'"}}, [&] { import_weights(checkpoint, *from_checkpoint); });
  EXPECT_TRUE(import_weights(checkpoint, *from_checkpoint, false).missing.empty());
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(from_checkpoint->state_dict()[i].second.array(), weights[i].second.array());
  refused({Error::InvalidArgument, {"weights.pt", ".npz"}}, [&] { export_weights(folder.path("weights.pt").string(), weights); });
  refused({Error::NotFound, {"none.npz"}}, [&] { import_weights(folder.path("none.npz").string(), *from_checkpoint); });
  folder.write("bad.npz", "PK\3\4");
  refused({Error::BadFile, {"bad.npz"}}, [&] { import_weights(folder.path("bad.npz").string(), *from_checkpoint); });
}

}  // namespace
}  // namespace gf::test
