// The loop around a train step: going on is as never having stopped, reports say what happened, and what is wrong is said.
#include "trainer/loop/trainer.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "facade/convert.h"
#include "tests/support/test_data.h"
#include "trainer/checkpoint/state.h"
#include "trainer/data/transforms.h"
#include "trainer/data/vision.h"
#include "trainer/loop/listeners.h"
#include "trainer/nn/activations.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/dropout.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/training_model.h"

namespace gf::test {
namespace {

using data::DataLoader;
using data::DataLoaderSettings;
using nlohmann::json;

/// Pictures of noise with a bright half: the half is the class.
class Halves final : public data::VisionDataset {
 public:
  Halves(int64_t size, bool augment) : VisionDataset({.transform = augment ? data::transforms(data::RandomCrop(8, 1), data::ToFloat()) : data::transforms(data::ToFloat())}), size_(size) {
    ready({.channels = 1, .height = 8, .width = 8});
  }
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override { return index % 2; }

 protected:
  void load(int64_t index, data::Picture& to) const override {
    to.reset({.channels = 1, .height = 8, .width = 8});
    for (size_t i = 0; i < 64; ++i) {
      const bool bright = (i % 8 < 4) == (index % 2 == 0);
      to.pixels[i] = static_cast<uint8_t>((static_cast<size_t>(index) * 37 + i * 101) % 160 + (bright ? 60 : 0));
    }
  }

 private:
  int64_t size_;
};

struct ModelOptionsOfTest {
  int64_t batch = 4;
  bool dropout = true;
  std::string accumulate = "accumulate";
  bool averages = true, skip = false;
  double lr = 0.05;
  int threads = 1;
};
Model small_model(const ModelOptionsOfTest& o = {}) {
  nn::manual_seed(3);
  const auto net = std::make_shared<nn::Sequential>();
  net->append(std::make_shared<nn::Flatten>());
  net->append(std::make_shared<nn::Linear>(64, 16));
  net->append(std::make_shared<nn::ReLU>());
  if (o.dropout) net->append(std::make_shared<nn::Dropout>(0.2));
  net->append(std::make_shared<nn::Linear>(16, 2));
  TrainingModelOptions t;
  t.shape = {1, 8, 8};
  t.batch = o.batch;
  t.evaluate_batch = 10;
  t.loss = "cross_entropy";
  t.optimizer = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = o.lr, .momentum = 0.9});
  t.step.accumulate_entry = o.accumulate;
  t.step.skip_if_not_finite = o.skip;
  if (o.averages) t.step.averages = optim::AverageSettings{.decay = 0.5};
  t.passes.evaluator = make_evaluator(default_tables(false));
  ir::Model graph = training_model(*net, t);
  ModelOptions how;
  how.threads = o.threads;
  return Model::from_bytes(emit(graph), how);
}

std::vector<std::byte> state_of(Trainer& trainer) {
  std::vector<std::byte> bytes;
  const Snapshot s = snapshot_of(trainer.model().program(), *trainer.model().state(), 0);
  for (const io::SafeTensor& t : s.tensors) bytes.insert(bytes.end(), t.data.begin(), t.data.end());
  return bytes;
}

/// Keeps what it hears.
struct Notes final : FitListener {
  std::vector<StepReport> steps;
  std::vector<ValidationReport> validations;
  std::vector<int64_t> saves;
  std::vector<std::string> notes;
  FitPlan plan;
  std::optional<FitResult> result;
  std::function<void(const StepReport&)> at_step;

  void begin(const FitPlan& p) override { plan = p; }
  void step(const StepReport& r) override {
    steps.push_back(r);
    if (at_step) at_step(r);
  }
  void validated(const ValidationReport& r) override { validations.push_back(r); }
  void saved(int64_t step) override { saves.push_back(step); }
  void note(const std::string& line) override { notes.push_back(line); }
  void end(const FitResult& r) override { result = r; }
};

struct Data {
  DataLoader train, validation;
  explicit Data(int64_t batch = 4, int workers = 0, int64_t size = 42)
      : train(std::make_shared<Halves>(size, true), {.batch_size = batch, .shuffle = true, .drop_last = true, .seed = 9, .num_workers = workers}),
        validation(std::make_shared<Halves>(30, false), {.batch_size = 10}) {}
};

FitSettings settings_of(const std::shared_ptr<Notes>& notes, int64_t steps) {
  FitSettings s;
  s.steps = steps;
  s.accumulate = 2;
  s.schedule = optim::schedule::cosine({.t_max = 24});
  s.listeners = {notes};
  return s;
}

TEST(Fit, LearnsAndReports) {
  Trainer trainer(small_model());
  Data d;
  const auto notes = std::make_shared<Notes>();
  FitSettings s = settings_of(notes, 0);
  s.epochs = 4;
  const FitResult r = trainer.fit(d.train, &d.validation, s);
  EXPECT_EQ(r.end, FitResult::End::Finished);
  EXPECT_EQ(r.step, 4 * 5);  // 42 examples: 10 batches, 5 steps of two
  ASSERT_EQ(notes->steps.size(), 20U);
  ASSERT_EQ(notes->validations.size(), 4U);
  EXPECT_EQ(notes->validations.back().metrics[0].first, "loss");
  EXPECT_EQ(notes->validations.back().metrics[1].first, "accuracy");
  EXPECT_GT(notes->validations.back().metrics[1].second, 0.95);
  EXPECT_EQ(notes->steps[7].epoch, 1);
  EXPECT_EQ(notes->steps[0].learning_rate, 0.05);
  EXPECT_NEAR(notes->steps[12].learning_rate, 0.05 * (1 + std::cos(3.14159265358979 * 12 / 24)) / 2, 1e-9);
  EXPECT_EQ(trainer.evaluate(d.validation), r.validation);
  EXPECT_EQ(notes->result->step, 20);
}

// 24 steps are 11 and 13, bit for bit: shuffling, augmentation, dropout, accumulation, averages and a schedule go on; also on other threads.
TEST(Fit, GoesOnAsIfNeverStopped) {
  const auto whole_notes = std::make_shared<Notes>();
  Trainer whole(small_model());
  Data d;
  (void)whole.fit(d.train, &d.validation, settings_of(whole_notes, 24));
  for (const int workers : {0, 2}) {
    SCOPED_TRACE(workers);
    const TempFolder folder;
    std::vector<double> losses;
    for (const int64_t steps : {11, 24}) {
      Trainer part(small_model({.threads = workers == 0 ? 1 : 2}));
      Data again(4, workers);
      const auto notes = std::make_shared<Notes>();
      FitSettings s = settings_of(notes, steps);
      s.checkpoints = folder.path("run").string();
      s.resume = true;
      const FitResult r = part.fit(again.train, &again.validation, s);
      EXPECT_EQ(r.step, steps);
      EXPECT_EQ(r.resumed_from.value_or(0), steps == 24 ? 11 : 0);
      if (steps == 11) {
        ASSERT_EQ(notes->notes.size(), 1U);
        EXPECT_NE(notes->notes[0].find("there is no checkpoint in"), std::string::npos);
      }
      for (const StepReport& step : notes->steps) losses.push_back(step.loss);
      if (steps == 24) {
        EXPECT_EQ(state_of(part), state_of(whole));
      }
    }
    ASSERT_EQ(losses.size(), whole_notes->steps.size());
    for (size_t i = 0; i < losses.size(); ++i) EXPECT_EQ(losses[i], whole_notes->steps[i].loss) << i;
  }
}

TEST(Fit, StopsWhenAsked) {
  const TempFolder folder;
  std::atomic<bool> stop = false;
  Trainer trainer(small_model());
  Data d;
  const auto notes = std::make_shared<Notes>();
  notes->at_step = [&](const StepReport& r) { stop = r.step == 3; };
  FitSettings s = settings_of(notes, 20);
  s.stop = &stop;
  s.checkpoints = folder.path("run").string();
  const FitResult r = trainer.fit(d.train, s);
  EXPECT_EQ(r.end, FitResult::End::Stopped);
  EXPECT_EQ(r.step, 3);
  EXPECT_EQ(notes->saves, std::vector<int64_t>{3});
}

// Asked in the middle of a validation, it saves at once; who goes on makes that validation first, and then all is as if never stopped.
TEST(Fit, AValidationIsBrokenOff) {
  struct Asks final : data::Dataset {
    std::shared_ptr<data::Dataset> inner = std::make_shared<Halves>(30, false);
    std::atomic<bool>* stop = nullptr;
    mutable int reads = 0;
    int64_t size() const override { return inner->size(); }
    const std::vector<data::Field>& fields() const override { return inner->fields(); }
    void read(int64_t index, data::SampleContext& context, std::span<const std::span<std::byte>> to) const override {
      if (++reads == 30 + 15) *stop = true;  // in the second of the validations
      inner->read(index, context, to);
    }
  };
  const auto settings = [](const std::shared_ptr<Notes>& notes) {
    FitSettings s = settings_of(notes, 9);
    s.validate_every = 3;
    s.early_stopping = EarlyStopping{.monitor = "loss", .patience = 2};
    return s;
  };
  const auto whole_notes = std::make_shared<Notes>(), first = std::make_shared<Notes>(), second = std::make_shared<Notes>();
  Trainer whole(small_model());
  Data d;
  (void)whole.fit(d.train, &d.validation, settings(whole_notes));
  ASSERT_EQ(whole_notes->validations.size(), 3U);

  const TempFolder folder;
  std::atomic<bool> stop = false;
  const auto asks = std::make_shared<Asks>();
  asks->stop = &stop;
  for (const auto& notes : {first, second}) {
    Trainer part(small_model());
    Data again;
    DataLoader validation(asks, {.batch_size = 10});
    FitSettings s = settings(notes);
    s.checkpoints = folder.path("run").string();
    s.save_every = 100;
    s.resume = notes == second;
    s.stop = &stop;
    const FitResult r = part.fit(again.train, &validation, s);
    EXPECT_EQ(r.end, notes == first ? FitResult::End::Stopped : FitResult::End::Finished);
    EXPECT_EQ(r.step, notes == first ? 6 : 9);
    if (notes == first) {
      EXPECT_LT(asks->reads, 60);  // it did not read to the end
    } else {
      EXPECT_EQ(state_of(part), state_of(whole));
    }
    stop = false;
  }
  ASSERT_EQ(first->validations.size(), 1U);
  ASSERT_EQ(second->validations.size(), 2U);
  for (size_t i = 0; i < 3; ++i) {
    const ValidationReport& r = i == 0 ? first->validations[0] : second->validations[i - 1];
    EXPECT_EQ(r.step, 3 * (static_cast<int64_t>(i) + 1));
    EXPECT_EQ(r.metrics, whole_notes->validations[i].metrics) << i;
    EXPECT_EQ(r.best, whole_notes->validations[i].best) << i;
  }
}

TEST(Fit, StopsEarly) {
  Trainer trainer(small_model({.averages = false, .lr = 0}));
  Data d;
  const auto notes = std::make_shared<Notes>();
  FitSettings s = settings_of(notes, 100);
  s.validate_every = 2;
  s.early_stopping = EarlyStopping{.monitor = "accuracy", .patience = 3};
  const FitResult r = trainer.fit(d.train, &d.validation, s);
  EXPECT_EQ(r.end, FitResult::End::EarlyStopped);
  EXPECT_EQ(r.best_step, 2);
  EXPECT_EQ(r.step, 2 + 3 * 2);
}

// A loss that is NaN ends the loop and leaves the last checkpoint as it was; a model that skips goes on.
TEST(Fit, NotFinite) {
  const TempFolder folder;
  Data d;
  Trainer trainer(small_model());
  const auto notes = std::make_shared<Notes>();
  const auto spoil = [](Trainer& t) {
    const float bad = std::nanf("");
    std::vector<float> values(16, bad);
    ASSERT_EQ(t.model().state()->write("1.bias", values.data(), values.size() * sizeof(float)), Error::Ok);
  };
  notes->at_step = [&](const StepReport& r) {
    if (r.step == 5) spoil(trainer);
  };
  FitSettings s = settings_of(notes, 20);
  s.checkpoints = folder.path("run").string();
  s.save_every = 2;
  try {
    (void)trainer.fit(d.train, s);
    ADD_FAILURE() << "a NaN passed";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::NonFinite);
    EXPECT_NE(std::string(e.what()).find("the loss of step 6 is NaN; the checkpoint of step 4 is as it was"), std::string::npos) << e.what();
  }
  CheckpointDirectory saved(folder.path("run").string());
  EXPECT_EQ(saved.steps(), (std::vector<int64_t>{2, 4}));
  Trainer skipping(small_model({.skip = true}));
  FitSettings plain;
  plain.steps = 3;
  plain.checkpoints = folder.path("skipping").string();
  const auto heard = std::make_shared<Notes>();
  plain.listeners = {heard};
  spoil(skipping);
  const FitResult r = skipping.fit(d.train, plain);
  EXPECT_EQ(r.step, 3);
  EXPECT_EQ(r.skipped, 3);
  ASSERT_EQ(heard->notes.size(), 3U);
  EXPECT_EQ(heard->notes[1], "step 2 was skipped: its loss is not finite");
  EXPECT_TRUE(std::isnan(heard->steps[1].loss));
}

// What evaluates and what is handed out read the averages; before the first step these are the weights.
TEST(Fit, AveragesAreWhatIsEvaluated) {
  Data d;
  Trainer averaged(small_model()), plain(small_model({.averages = false}));
  EXPECT_EQ(averaged.evaluate(d.validation), plain.evaluate(d.validation));
  const FitSettings s = settings_of(std::make_shared<Notes>(), 12);
  (void)averaged.fit(d.train, s);
  EXPECT_NE(averaged.evaluate(d.validation), plain.evaluate(d.validation));
  State &from = *averaged.model().state(), &to = *plain.model().state();
  int copied = 0;
  for (int k = 0; k < to.count(); ++k) {
    const std::string name(plain.model().program().state(k).name);
    const int average = from.find(slot_state(name, kAverageSlot));
    if (average < 0) continue;
    std::copy(from.bytes(average).begin(), from.bytes(average).end(), to.bytes(k).begin());
    ++copied;
  }
  EXPECT_EQ(copied, 4);
  EXPECT_EQ(averaged.evaluate(d.validation), plain.evaluate(d.validation));
}

void expect_refused(const std::function<void(Trainer&, Data&, FitSettings&)>& run, Error code, const std::string& part) {
  Trainer trainer(small_model());
  Data d;
  FitSettings s;
  s.steps = 2;
  try {
    run(trainer, d, s);
    ADD_FAILURE() << "not refused: " << part;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}
TEST(Fit, Errors) {
  const auto with = [](const std::function<void(FitSettings&)>& change) {
    return [change](Trainer& t, Data& d, FitSettings& s) {
      change(s);
      (void)t.fit(d.train, s);
    };
  };
  expect_refused(with([](FitSettings& s) { s.steps = 0; }), Error::InvalidArgument, "give epochs or steps");
  expect_refused(with([](FitSettings& s) { s.epochs = 1; }), Error::InvalidArgument, "give epochs or steps");
  expect_refused(with([](FitSettings& s) { s.resume = true; }), Error::InvalidArgument, "resuming needs a folder");
  expect_refused(with([](FitSettings& s) { s.accumulate = 100; }), Error::InvalidArgument, "a step takes 100");
  expect_refused(with([](FitSettings& s) { s.early_stopping = EarlyStopping{}; }), Error::InvalidArgument, "early stopping needs data");
  expect_refused(with([](FitSettings& s) { s.schedule = [](double, int64_t) { return -1.0; }; }), Error::InvalidArgument, "learning rate -1");
  expect_refused([](Trainer& t, Data& d, FitSettings& s) { s.early_stopping = EarlyStopping{.monitor = "f1"}; (void)t.fit(d.train, &d.validation, s); }, Error::InvalidArgument,
                 "watches 'f1', validation gives: loss, accuracy");
  expect_refused([](Trainer& t, Data&, FitSettings& s) {
    Data other(7);
    (void)t.fit(other.train, s);
  }, Error::ShapeMismatch, "batch size must be one that the model was made for");
  expect_refused([](Trainer& t, Data&, FitSettings& s) {
    DataLoader none(std::make_shared<data::TensorDataset>(std::vector<io::NamedArray>{{"a", io::Array::from<float>({1, 2}, {2})}, {"b", io::Array::from<float>({1, 2}, {2})}}), {});
    (void)t.fit(none, s);
  }, Error::InvalidArgument, "gets no data: the dataset has a float32");
}

// Checkpoints of another net name what differs.
TEST(Fit, CheckpointOfAnotherModel) {
  const TempFolder folder;
  Data d;
  FitSettings s;
  s.steps = 2;
  s.checkpoints = folder.path("run").string();
  {
    Trainer t(small_model({.averages = false}));
    (void)t.fit(d.train, s);
  }
  s.resume = true;
  s.steps = 4;
  Trainer other(small_model());
  try {
    (void)other.fit(d.train, s);
    ADD_FAILURE() << "another model's checkpoint passed";
  } catch (const Exception& e) {
    EXPECT_NE(std::string(e.what()).find("1.weight.average"), std::string::npos) << e.what();
  }
}

// --- listeners

std::string read_file(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}

TEST(FitListeners, FilesOfARun) {
  const TempFolder folder;
  Trainer trainer(small_model());
  Data d;
  const auto notes = std::make_shared<Notes>();
  FitSettings s = settings_of(notes, 10);
  const auto board = std::make_shared<TensorBoard>(folder.path("logs").string());
  s.listeners = {notes, std::make_shared<JsonLines>(folder.path("log.jsonl").string()), board, std::make_shared<Plot>(folder.path("curves.svg").string(), "a <net>")};
  (void)trainer.fit(d.train, &d.validation, s);
  std::ifstream lines(folder.path("log.jsonl").string());
  std::vector<json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
  ASSERT_EQ(rows.size(), 10U + 2 + 1);
  EXPECT_EQ(rows[0]["step"], 1);
  EXPECT_EQ(rows[0]["loss"].get<double>(), notes->steps[0].loss);
  for (const char* field : {"epoch", "lr", "step_ms", "examples_per_s"}) EXPECT_TRUE(rows[0].contains(field)) << field;
  EXPECT_TRUE(rows[5]["validation"].contains("accuracy")) << rows[5];
  EXPECT_EQ(rows.back()["done"], true);
  EXPECT_EQ(rows.back()["step"], 10);
  // an event file: lengths lead from record to record; 1 header, 2 scalars a step, 2 a validation
  const std::string events = read_file(board->file());
  size_t at = 0, records = 0;
  for (; at + 12 < events.size(); ++records) {
    uint64_t length = 0;
    std::memcpy(&length, events.data() + at, sizeof length);
    at += 12 + static_cast<size_t>(length) + 4;
  }
  EXPECT_EQ(at, events.size());
  EXPECT_EQ(records, 1U + 2 * 10 + 2 * 2);
  EXPECT_NE(events.find("brain.Event:2"), std::string::npos);
  EXPECT_NE(events.find("validation/accuracy"), std::string::npos);
  const std::string svg = read_file(folder.path("curves.svg").string());
  EXPECT_NE(svg.find("a &lt;net&gt;: loss"), std::string::npos);
  EXPECT_NE(svg.find(">accuracy</text>"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(FitListeners, ProgressLines) {
  const TempFolder folder;
  std::FILE* f = std::fopen(folder.path("out").c_str(), "wb");
  ASSERT_NE(f, nullptr);
  Progress bar({.to = f, .bar = true});
  bar.begin({.first_step = 0, .last_step = 8, .steps_per_epoch = 4, .resumed_from = 2});
  bar.step({.step = 8, .epoch = 1, .loss = 0.25, .learning_rate = 0.1, .seconds = 1, .examples_per_second = 120, .seconds_left = 83});
  bar.validated({.step = 8, .epoch = 1, .metrics = {{"loss", 0.5}, {"accuracy", 0.875}}, .seconds = 1, .best = true});
  std::fclose(f);
  const std::string out = read_file(folder.path("out").string());
  EXPECT_NE(out.find("goes on after step 2\n"), std::string::npos) << out;
  EXPECT_NE(out.find("epoch 2/2  [========================] 4/4  loss 0.2500  120/s  1:23 left"), std::string::npos) << out;
  EXPECT_NE(out.find("epoch 2, step 8: validation loss 0.5000, accuracy 87.50 % (best)\n"), std::string::npos) << out;
}

}  // namespace
}  // namespace gf::test
