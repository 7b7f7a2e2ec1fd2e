#include "trainer/loop/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/core/crc32c.h"
#include "runtime/core/exception.h"
#include "trainer/checkpoint/state.h"
#include "trainer/parallel/shards.h"
#include "trainer/step/losses_by_name.h"
#include "trainer/step/train_step.h"

namespace gf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTrain = "train_step";
constexpr const char* kEvaluate = "evaluate";
constexpr double kSpeedMemory = 0.95;  // of the running mean of a step's time

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bool larger_is_better(const std::string& metric) { return metric == "accuracy"; }

double metric_of(const Metrics& metrics, const std::string& name) {
  std::string names;
  for (const auto& [n, value] : metrics) {
    if (n == name) return value;
    names += (names.empty() ? "" : ", ") + n;
  }
  throw Exception(Error::InvalidArgument, "early stopping watches '" + name + "', validation gives: " + names);
}

// An entry, and which field of a loader's batches goes into each of its inputs.
class Feed {
 public:
  Feed(Model& model, const char* entry, const data::DataLoader& loader, const FitSettings& settings) : session_(model.session(entry)), entry_(entry) {
    std::vector<std::string> left;
    for (const data::Field& f : loader.fields()) left.push_back(f.name);
    fields_.resize(static_cast<size_t>(session_.input_count()));
    const auto take = [&](int input, const std::string& field) {
      const auto at = std::find(left.begin(), left.end(), field);
      if (at == left.end() || !fields_[static_cast<size_t>(input)].empty()) return;
      fields_[static_cast<size_t>(input)] = field;
      left.erase(at);
    };
    const auto name_of = [&](int i) { return std::string(session_.input_name(i)); };
    for (int i = 0; i < session_.input_count(); ++i)
      for (const auto& [field, input] : settings.fields)
        if (input == name_of(i)) take(i, field);
    for (int i = 0; i < session_.input_count(); ++i) take(i, name_of(i));
    for (int i = 0; i < session_.input_count(); ++i)
      if (name_of(i) == kTargetInput)
        for (const char* field : {"label", "target", "targets"}) take(i, field);
    for (int i = 0; i < session_.input_count(); ++i) {
      if (!fields_[static_cast<size_t>(i)].empty()) continue;
      if (left.size() != 1)
        throw Exception(Error::InvalidArgument, "input '" + name_of(i) + "' of " + entry + " gets no data: the dataset has " + data::fields_text(loader.fields()) +
                                                    "; say which field goes into which input");
      take(i, std::string(left[0]));
    }
  }

  /// The batch is copied into the inputs.
  void give(const data::Batch& batch) {
    for (int i = 0; i < session_.input_count(); ++i) {
      const std::string& field = fields_[static_cast<size_t>(i)];
      const io::Array& a = batch[field];
      TensorView v = session_.input(i);
      if (v.dtype != a.dtype)
        throw Exception(Error::TypeMismatch, where(i) + " takes " + dtype_name(v.dtype) + ", field '" + field + "' has " + dtype_name(a.dtype));
      if (!std::equal(a.shape.begin(), a.shape.end(), v.shape.dims, v.shape.dims + v.shape.rank)) {
        ErrorDetail detail;
        const std::vector<int64_t> shape = fitted(a.shape, v);
        if (const Error e = session_.set_input_shape(i, shape, &detail); e != Error::Ok)
          throw Exception(e, where(i) + " does not take a batch of field '" + field + "': " + detail.text + ". The loader's batch size must be one that the model was made for");
        v = session_.input(i);
      }
      std::memcpy(v.data, a.data.data(), a.data.size());
    }
  }
  void run() {
    ErrorDetail detail;
    if (const Error e = session_.run(&detail); e != Error::Ok) throw Exception(e, std::string(entry_) + ": " + detail.text);
  }
  double output(const char* name) const {
    const int i = session_.find_output(name);
    if (i < 0) throw Exception(Error::NotFound, std::string("entry ") + entry_ + " has no output '" + name + "'");
    return number(i);
  }
  Metrics outputs() const {
    Metrics m;
    for (int i = 0; i < session_.output_count(); ++i)
      if (session_.output(i).count() == 1 && session_.output(i).dtype == DType::F32) m.emplace_back(std::string(session_.output_name(i)), number(i));
    return m;
  }

 private:
  double number(int i) const { return static_cast<double>(*session_.output(i).as<float>()); }
  std::string where(int i) const { return "input '" + std::string(session_.input_name(i)) + "' of " + entry_; }
  // A shape with as many elements per example, where the model wants another one (a column [N, 1] for numbers [N], pictures made flat).
  static std::vector<int64_t> fitted(const std::vector<int64_t>& have, const TensorView& want) {
    std::vector<int64_t> shape(want.shape.dims, want.shape.dims + want.shape.rank);
    if (shape.empty() || have.empty()) return have;
    shape[0] = have[0];
    int64_t a = 1, b = 1;
    for (const int64_t d : have) a *= d;
    for (const int64_t d : shape) b *= d;
    return a == b ? shape : have;
  }

  Session& session_;
  const char* entry_;
  std::vector<std::string> fields_;  // by input
};

class Fit {
 public:
  Fit(Model& model, data::DataLoader& train, data::DataLoader* validation, const FitSettings& settings)
      : model_(model), train_(train), validation_(validation), s_(settings), feed_(model, kTrain, train, settings) {
    check_settings();
    check_ranks();
    if (s_.ranks != nullptr) scope_.emplace(*s_.ranks);
    if (s_.accumulate > 1) accumulate_.emplace(model, s_.accumulate_entry.c_str(), train, settings);
    if (validation_ != nullptr) evaluate_.emplace(model, kEvaluate, *validation_, settings);
    if (!s_.checkpoints.empty() && is_first()) directory_.emplace(s_.checkpoints, checkpoint_options());
  }

  FitResult run() {
    start();
    agree();
    const auto begin = Clock::now();
    const double stalled = train_.stall_seconds();
    tell([&](FitListener& l) { l.begin({result_.step, last_, per_epoch_, result_.resumed_from}); });
    if (result_.resumed_from && validation_is_due() && validated_ < result_.step) validate();  // the one that a stop cut short
    while (result_.step < last_ && !ends_ && !stops_) step();
    if (validation_ != nullptr && validated_ != result_.step && !stops_) validate();
    if (stops_) result_.end = FitResult::End::Stopped;
    if (saves() && saved_ != result_.step) save();
    if (directory_) directory_->wait();
    result_.seconds = seconds_since(begin);
    result_.stall_seconds = train_.stall_seconds() - stalled;
    tell([&](FitListener& l) { l.end(result_); });
    return result_;
  }

 private:
  template <class F>
  void tell(F f) {
    if (!is_first()) return;
    for (const auto& l : s_.listeners) f(*l);
  }

  void check_settings() {
    const auto refuse = [](const std::string& what) { throw Exception(Error::InvalidArgument, "fit: " + what); };
    if ((s_.epochs > 0) == (s_.steps > 0) || s_.epochs < 0 || s_.steps < 0) refuse("give epochs or steps, 1 or more");
    if (s_.accumulate < 1 || s_.validate_every < 0 || s_.save_every < 0) refuse("accumulate, validate_every and save_every count steps and batches");
    if (s_.resume && s_.checkpoints.empty()) refuse("resuming needs a folder of checkpoints");
    if (s_.early_stopping && validation_ == nullptr) refuse("early stopping needs data for validation");
    if (s_.early_stopping && s_.early_stopping->patience < 1) refuse("the patience of early stopping is 1 or more");
    per_epoch_ = train_.size() / s_.accumulate;
    if (per_epoch_ < 1) refuse("an epoch has " + std::to_string(train_.size()) + " batches, a step takes " + std::to_string(s_.accumulate));
    last_ = s_.steps > 0 ? s_.steps : s_.epochs * per_epoch_;
  }

  // --- ranks

  bool is_first() const { return s_.ranks == nullptr || s_.ranks->rank() == 0; }
  int ranks() const { return s_.ranks == nullptr ? 1 : s_.ranks->size(); }
  bool saves() const { return !s_.checkpoints.empty(); }
  [[noreturn]] void refuse(Error code, const std::string& what) const {
    if (s_.ranks != nullptr) throw parallel::EveryRank(code, what);
    throw Exception(code, what);
  }

  void check_ranks() {
    const auto refuse_here = [](const std::string& what) { throw Exception(Error::InvalidArgument, what); };
    const auto step = parallel::step_description(model_.program());
    if (s_.ranks == nullptr) {
      if (step) refuse_here("fit: the model's train_step is one of several ranks: give FitSettings::ranks");
      return;
    }
    const auto here = " (rank " + std::to_string(s_.ranks->rank()) + " of " + std::to_string(ranks()) + ")";
    if (!step) refuse_here("fit: the model's train_step talks to no other rank" + here + ": make it with TrainStepOptions::parallel");
    if (step->ranks != 0 && step->ranks != ranks()) refuse_here("fit: the model's train_step is made for " + std::to_string(step->ranks) + " ranks" + here);
    const data::DataLoaderSettings& d = train_.settings();
    if (d.rank != s_.ranks->rank() || d.world != ranks())
      refuse_here("fit: the data is read as rank " + std::to_string(d.rank) + " of " + std::to_string(d.world) + here + ": set DataLoaderSettings::rank and world");
  }

  // All ranks must do the same, or they would wait for one another in vain, or learn different things.
  void agree() {
    if (s_.ranks == nullptr) return;
    struct Digest {
      uint32_t model = 0, weights = 0, settings = 0, data = 0;
    };
    const auto digest = [](const std::string& text) { return crc32c(text.data(), text.size(), 0); };
    const auto list = [](std::initializer_list<int64_t> numbers) {
      std::string text;
      for (const int64_t n : numbers) text += std::to_string(n) + " ";
      return text;
    };
    Digest own;
    own.model = digest(graph_hash(model_.program()));
    own.settings = digest(list({s_.epochs, s_.steps, s_.accumulate, s_.validate_every, s_.save_every, s_.early_stopping ? s_.early_stopping->patience : 0, saves(), s_.stop != nullptr, validation_ != nullptr}));
    const data::Position p = train_.position();
    own.data = digest(list({p.samples, p.epoch, p.next, static_cast<int64_t>(p.seed), train_.settings().batch_size, train_.settings().shuffle, validation_ == nullptr ? 0 : validation_->size()}));
    const auto parts = parallel::step_description(model_.program())->parts;
    for (int i = 0; i < model_.state()->count(); ++i) {
      const std::string_view name = model_.program().state(i).name;
      const auto holds = [&](const parallel::PartDescription& part) { return name.starts_with(part.name + "."); };
      const auto bytes = model_.state()->bytes(i);
      if (std::none_of(parts.begin(), parts.end(), holds)) own.weights = crc32c(bytes.data(), bytes.size(), own.weights);
    }
    std::vector<Digest> all(static_cast<size_t>(ranks()));
    all[static_cast<size_t>(s_.ranks->rank())] = own;
    s_.ranks->wait(s_.ranks->all_gather(all.data(), sizeof(Digest)));
    for (size_t r = 1; r < all.size(); ++r) {
      const char* what = all[r].model != all[0].model ? "another model" : all[r].settings != all[0].settings ? "other settings" : all[r].data != all[0].data ? "other data"
                                                     : all[r].weights != all[0].weights ? "other weights to begin with" : nullptr;
      if (what != nullptr) refuse(Error::InvalidArgument, "fit: rank " + std::to_string(r) + " has " + what + " than rank 0; all ranks must be started alike");
    }
  }

  // Whether somebody asks to stop: then all do.
  bool asked_to_stop() {
    if (s_.stop == nullptr) return false;
    double asked = s_.stop->load() ? 1 : 0;
    if (s_.ranks != nullptr) s_.ranks->wait(s_.ranks->all_reduce(&asked, 1, DType::F64));
    return asked > 0;
  }

  CheckpointOptions checkpoint_options() {
    CheckpointOptions o = s_.checkpoint;
    if (!o.log) o.log = [this](const std::string& line) { tell([&](FitListener& l) { l.note(line); }); };
    return o;
  }

  // --- learning rates: State of each group, its value at the beginning times the schedule

  void read_rates() {
    for (size_t g = 0;; ++g) {
      double rate = 0;
      if (model_.state()->read(learning_rate_state(g), &rate, sizeof rate) != Error::Ok) break;
      rates_.push_back(rate);
    }
  }
  double set_rates() {
    for (size_t g = 0; g < rates_.size(); ++g) {
      const double rate = s_.schedule ? s_.schedule(rates_[g], result_.step) : rates_[g];
      if (!(rate >= 0) || std::isinf(rate)) throw Exception(Error::InvalidArgument, "the schedule gives the learning rate " + std::to_string(rate) + " in step " + std::to_string(result_.step + 1));
      if (model_.state()->write(learning_rate_state(g), &rate, sizeof rate) != Error::Ok) throw Exception(Error::Internal, "a learning rate cannot be set");
      if (g == 0) rate_ = rate;
    }
    return rate_;
  }

  // --- checkpoints

  void start() {
    read_rates();
    best_ = larger_is_better(monitor()) ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    skipped_ = skipped_so_far();
    if (!s_.resume) return;
    std::optional<LoadedCheckpoint> loaded;
    try {
      if (directory_) loaded = directory_->load_latest();
    } catch (const Exception& e) {
      if (e.code() != Error::NotFound) throw;
    }
    if (s_.ranks != nullptr) loaded = parallel::broadcast(*s_.ranks, std::move(loaded));
    if (!loaded) {
      tell([&](FitListener& l) { l.note("there is no checkpoint in " + s_.checkpoints + " yet: training begins at the beginning"); });
      return;
    }
    const Checkpoint& c = loaded->checkpoint;
    const Restored restored = s_.ranks != nullptr ? parallel::restore_part(c, *s_.ranks, model_.program(), *model_.state()) : restore(c, model_.program(), *model_.state());
    if (!restored.same_graph)
      tell([&](FitListener& l) { l.note(loaded->file + " was saved by another version of this model (batch size, ranks, optimizer settings, ...): it goes on, but not as the first would have"); });
    skipped_ = skipped_so_far();
    result_.step = saved_ = c.step;
    result_.resumed_from = c.step;
    rates_ = checkpoint::numbers_of(c.counters, "fit.rates");
    data::Position p;
    p.seed = checkpoint::whole_of(c.counters, "loader.seed");
    p.epoch = static_cast<int64_t>(checkpoint::whole_of(c.counters, "loader.epoch"));
    p.next = static_cast<int64_t>(checkpoint::whole_of(c.counters, "loader.next"));
    p.samples = static_cast<int64_t>(checkpoint::whole_of(c.counters, "loader.samples"));
    train_.restore(p);
    const std::vector<double> best = checkpoint::numbers_of(c.counters, "fit.best");  // value, step, validations since
    if (best.size() != 4) throw Exception(Error::BadData, loaded->file + ": 'fit.best' is not what this version writes");
    best_ = best[0];
    result_.best_step = static_cast<int64_t>(best[1]);
    waited_ = static_cast<int64_t>(best[2]);
    result_.loss = best[3];
    // earlier versions validated before they stopped
    validated_ = c.counters.contains("fit.validated") ? static_cast<int64_t>(checkpoint::whole_of(c.counters, "fit.validated")) : result_.step;
  }

  void save() {
    Snapshot snapshot = s_.ranks != nullptr ? parallel::whole_snapshot(*s_.ranks, model_.program(), *model_.state(), result_.step)
                                            : snapshot_of(model_.program(), *model_.state(), result_.step);
    const data::Position p = train_.position();
    checkpoint::put_whole(snapshot.counters, "loader.seed", p.seed);
    checkpoint::put_whole(snapshot.counters, "loader.epoch", static_cast<uint64_t>(p.epoch));
    checkpoint::put_whole(snapshot.counters, "loader.next", static_cast<uint64_t>(p.next));
    checkpoint::put_whole(snapshot.counters, "loader.samples", static_cast<uint64_t>(p.samples));
    checkpoint::put_numbers(snapshot.counters, "fit.rates", rates_);
    const double best[] = {best_, static_cast<double>(result_.best_step), static_cast<double>(waited_), result_.loss};
    checkpoint::put_numbers(snapshot.counters, "fit.best", best);
    checkpoint::put_whole(snapshot.counters, "fit.validated", static_cast<uint64_t>(std::max<int64_t>(validated_, 0)));
    if (directory_) directory_->save(snapshot, result_.step > 0 ? std::optional(result_.loss) : std::nullopt);
    saved_ = result_.step;
    tell([&](FitListener& l) { l.saved(result_.step); });
  }

  // --- steps

  const data::Batch& next() {
    for (int i = 0; i < 2; ++i)
      if (const data::Batch* batch = train_.next()) return *batch;
    throw Exception(Error::InvalidArgument, "the loader has no batches");
  }

  void step() {
    const auto begin = Clock::now();
    const int64_t epoch = result_.step / per_epoch_;
    int64_t examples = 0;
    for (int64_t k = 1; k < s_.accumulate; ++k) {
      const data::Batch& batch = next();
      examples += batch.size();
      accumulate_->give(batch);
      accumulate_->run();
    }
    const data::Batch& batch = next();
    examples += batch.size();
    feed_.give(batch);
    const double rate = set_rates();
    run_step();
    const double loss = feed_.output("loss");
    const double skipped = skipped_so_far();
    if (!std::isfinite(loss) && !skips()) refuse_loss(loss);
    if (std::isfinite(loss)) result_.loss = loss;
    ++result_.step;
    if (skipped > skipped_) tell_skipped(loss);
    skipped_ = skipped;
    const double seconds = seconds_since(begin);
    speed_ = speed_ == 0 ? seconds : kSpeedMemory * speed_ + (1 - kSpeedMemory) * seconds;
    tell([&](FitListener& l) {
      l.step({result_.step, epoch, loss, rate, seconds, static_cast<double>(examples * ranks()) / speed_, speed_ * static_cast<double>(last_ - result_.step)});
    });
    stops_ = asked_to_stop();
    if (!stops_ && validation_is_due()) validate();
    if (saves() && (stops_ || (s_.save_every > 0 ? result_.step % s_.save_every == 0 : result_.step % per_epoch_ == 0))) save();
  }
  bool validation_is_due() const {
    return validation_ != nullptr && result_.step > 0 && (s_.validate_every > 0 ? result_.step % s_.validate_every == 0 : result_.step % per_epoch_ == 0);
  }
  // What is not finite on one rank is so on all: they stop at the same node.
  void run_step() {
    if (!scope_) return feed_.run();
    try {
      feed_.run();
    } catch (const Exception& e) {
      if (e.code() != Error::NonFinite) throw;
      scope_->wait_all();
      throw parallel::EveryRank(e.code(), e.what());
    }
  }
  bool skips() const { return model_.state()->find(kSkippedState) >= 0; }
  double skipped_so_far() const {
    double counted = 0;
    return model_.state()->read(kSkippedState, &counted, sizeof counted) == Error::Ok ? counted : 0;
  }
  void tell_skipped(double loss) {
    double scale = 0;
    std::string line = "step " + std::to_string(result_.step) + " was skipped: its " + (std::isfinite(loss) ? "gradients are" : "loss is") + " not finite";
    if (model_.state()->read(kLossScaleState, &scale, sizeof scale) == Error::Ok) line += "; the loss is scaled by " + std::to_string(scale) + " now";
    ++result_.skipped;
    tell([&](FitListener& l) { l.note(line); });
  }
  [[noreturn]] void refuse_loss(double loss) {
    if (directory_) directory_->wait();
    refuse(Error::NonFinite, "the loss of step " + std::to_string(result_.step + 1) + " is " + (std::isnan(loss) ? "NaN" : "infinite") +
                                          (saved_ > 0 ? "; the checkpoint of step " + std::to_string(saved_) + " is as it was" : std::string()) +
                                          ". Try a lower learning rate, clipped gradients, or a model made with --skip-if-not-finite");
  }

  // --- validation

  std::string monitor() const { return s_.early_stopping ? s_.early_stopping->monitor : "loss"; }

  // Who is asked to stop leaves it undone, for whoever goes on.
  void validate() {
    const auto begin = Clock::now();
    const data::Position at = validation_->position();
    Metrics means = mean_of(*evaluate_, *validation_, s_.ranks, s_.stop);
    stops_ = asked_to_stop();
    if (stops_) return validation_->restore(at);
    validated_ = result_.step;
    result_.validation = std::move(means);
    const double value = metric_of(result_.validation, monitor());
    const double least = s_.early_stopping ? s_.early_stopping->min_delta : 0;
    const bool better = larger_is_better(monitor()) ? value > best_ + least : value < best_ - least;
    if (better) best_ = value, result_.best_step = result_.step, waited_ = 0;
    else ++waited_;
    result_.best = best_;
    tell([&](FitListener& l) { l.validated({result_.step, (result_.step - 1) / per_epoch_, result_.validation, seconds_since(begin), better}); });
    if (!s_.early_stopping || waited_ < s_.early_stopping->patience) return;
    result_.end = FitResult::End::EarlyStopped;
    ends_ = true;
  }

 public:
  // Of several ranks each evaluates its share of the batches. With `stop` set it ends at once, and the means are worth nothing.
  static Metrics mean_of(Feed& feed, data::DataLoader& loader, parallel::Communicator* ranks = nullptr, const std::atomic<bool>* stop = nullptr) {
    Metrics sums = feed.outputs();
    std::vector<double> values(sums.size() + 1);  // and the examples
    int64_t number = 0;
    for (const data::Batch& batch : loader) {
      if (stop != nullptr && stop->load()) break;
      if (ranks != nullptr && number++ % ranks->size() != ranks->rank()) continue;
      feed.give(batch);
      feed.run();
      const Metrics here = feed.outputs();
      const auto weight = static_cast<double>(batch.size());
      for (size_t i = 0; i < here.size(); ++i) values[i] += weight * here[i].second;
      values.back() += weight;
    }
    if (ranks != nullptr) ranks->wait(ranks->all_reduce(values.data(), static_cast<int64_t>(values.size()), DType::F64));
    for (size_t i = 0; i < sums.size(); ++i) sums[i].second = values[i] / values.back();
    return sums;
  }

 private:
  Model& model_;
  data::DataLoader& train_;
  data::DataLoader* validation_;
  const FitSettings& s_;
  std::optional<parallel::Scope> scope_;
  Feed feed_;
  std::optional<Feed> accumulate_, evaluate_;
  std::optional<CheckpointDirectory> directory_;
  FitResult result_;
  std::vector<double> rates_;          // of the groups, before the schedule
  int64_t per_epoch_ = 0, last_ = 0;
  int64_t saved_ = 0, validated_ = -1;  // steps
  int64_t waited_ = 0;                 // validations since the best
  double best_ = 0, rate_ = 0, speed_ = 0;
  double skipped_ = 0;                 // runs, by the model's own count
  bool stops_ = false, ends_ = false;  // somebody asked; validation got no better
};

}  // namespace

Trainer::Trainer(Model model) : model_(std::move(model)) {
  if (model_.program().find_entry(kTrain) < 0)
    throw Exception(Error::NotFound, std::string("the model has no entry '") + kTrain + "': prepare_training() and training_model() make one");
}

FitResult Trainer::fit(data::DataLoader& train, data::DataLoader* validation, const FitSettings& settings) {
  if (settings.ranks == nullptr) return Fit(model_, train, validation, settings).run();
  try {
    return Fit(model_, train, validation, settings).run();
  } catch (const parallel::EveryRank&) {
    throw;
  } catch (const std::exception& e) {
    settings.ranks->abort(std::string(e.what()) + (settings.checkpoints.empty() ? "" : "; checkpoints are as they were"));
    throw;
  }
}

Metrics Trainer::evaluate(data::DataLoader& loader, const FitSettings& settings) {
  Feed feed(model_, kEvaluate, loader, settings);
  return Fit::mean_of(feed, loader);
}

}  // namespace gf
