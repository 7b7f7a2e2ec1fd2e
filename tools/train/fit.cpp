// gf-train fit: a model, or a net by name, trained on data from files.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "io/file.h"
#include "io/path.h"
#include "tools/common/console.h"
#include "tools/common/inputs.h"
#include "tools/train/commands.h"
#include "tools/train/data.h"
#include "tools/train/import.h"
#include "tools/train/nets.h"
#include "tools/train/patience.h"
#include "tools/train/step_options.h"
#include "tools/train/step_trace.h"
#include "tools/train/tuning.h"
#include "trainer/loop/listeners.h"
#include "trainer/loop/trainer.h"
#include "trainer/nn/init.h"
#include "trainer/optim/by_name.h"
#include "trainer/parallel/ops.h"
#include "trainer/parallel/shards.h"
#include "trainer/step/finished_model.h"
#include "trainer/step/training_model.h"
#if GF_MPI
#include "trainer/parallel/mpi/mpi_communicator.h"
#endif

namespace gf::cli {
namespace {

struct FitArgs {
  std::string model, loss, optimizer, schedule, output, log_dir, plot, plot_scale = "auto", trace, monitor = "loss";
  DataOptions data;
  StepArgs step;
  int64_t batch = 0, evaluate_batch = 250, patience = 0;
  int workers = 1;
  bool shard_optimizer = false;
  int64_t rank_limit = 300;
  Tuning tuning;
  FitSettings fit;
};

std::atomic<bool> interrupted{false};
extern "C" void on_interrupt(int) { interrupted = true; }

// The largest batch of at most `most` that leaves nothing over.
int64_t dividing(int64_t size, int64_t most) {
  for (int64_t b = std::min(size, most); b > 1; --b)
    if (size % b == 0) return b;
  return 1;
}

optim::Schedule schedule_of(const std::string& name, int64_t steps, double rate) {
  if (name == "constant") return {};
  if (name == "cosine") return optim::schedule::cosine({.t_max = steps});
  if (name == "linear") return optim::schedule::linear({.start_factor = 1, .end_factor = 0, .total_iters = steps});
  if (name == "onecycle") return optim::schedule::one_cycle({.max_lr = rate, .total_steps = steps});
  throw UsageError(fmt::format("there is no schedule '{}'; there are: constant, cosine, linear, onecycle", name));
}

// Under mpirun: the other processes. nullptr: there are none.
std::unique_ptr<parallel::Communicator> other_ranks([[maybe_unused]] int64_t limit) {
  if (parallel::ranks_in_environment() == 1) return nullptr;
#if GF_MPI
  return parallel::mpi_communicator({.limit = std::chrono::seconds(limit)});
#else
  throw UsageError("this gf-train was built without MPI (GF_MPI), so the processes of mpirun would each train alone");
#endif
}

struct Job {
  FitArgs& a;
  const Common& common;
  const NetDefaults* net;      // nullptr: a file
  Data data;
  std::string loss, optimizer;
  parallel::Communicator* ranks = nullptr;

  int rank_count() const { return ranks == nullptr ? 1 : ranks->size(); }
  bool is_first() const { return ranks == nullptr || ranks->rank() == 0; }

  std::string batches() const { return fmt::format("1..{}", std::max(a.batch, a.evaluate_batch)); }

  // The file that is trained: entries train_step and evaluate. `together`: its step is one of several ranks.
  std::vector<std::byte> model_file(bool together) {
    PassOptions passes;
    passes.evaluator = make_evaluator(default_tables(false));
    TrainStepOptions step = a.step.options();
    a.step.set(passes);
    if (a.fit.accumulate > 1) step.accumulate_entry = a.fit.accumulate_entry;
    if (together) step.parallel = parallel::StepSettings{.ranks = rank_count(), .shard_optimizer = a.shard_optimizer};
    PrepareOptions& o = a.tuning.options;
    ir::Model graph;
    if (net != nullptr) {
      nn::manual_seed(common.seed);
      const auto module = net->make(data);
      graph = training_model(*module, {.input = "x", .type = data.input().dtype, .shape = data.input().shape, .batch = a.batch / (together ? rank_count() : 1), .evaluate_batch = a.evaluate_batch, .main_batch = 1,
                                       .loss = loss, .optimizer = optim::by_name(optimizer), .quantize = o.quantize, .teacher = o.teacher, .step = step, .memory = {}, .passes = passes});
    } else if (is_onnx_path(a.model)) {
      o.loss = loss;
      o.optimizer = optim::by_name(optimizer);
      o.step = step;
      o.passes = passes;
      graph = import_for_training({.path = a.model, .entry = "main", .batch = batches(), .shapes = {}, .dims = {}, .example = data.input().shape});
      for (const std::string& note : prepare_training(graph, o).notes)
        if (is_first() && together == (ranks != nullptr)) fmt::print(stderr, "note: {}\n", note);
    } else if (ranks != nullptr) {
      throw UsageError(fmt::format("the step of '{}' is made already, for one process: give a net or a .onnx to train over several", a.model));
    } else if (a.step.precision != "f32") {
      throw UsageError(fmt::format("--precision {}: the step of '{}' is made already; give it to gf-train prepare", a.step.precision, a.model));
    } else if (o.weights) {
      graph = read_gf(a.model);
    } else {
      return io::read_file(a.model);
    }
    if (o.weights && !is_onnx_path(a.model))
      for (const std::string& note : put_weights(graph, *o.weights)) fmt::print(stderr, "note: {}\n", note);
    std::erase_if(graph.metadata, [](const auto& m) { return m.first == "data"; });
    if (data.classes > 0) graph.metadata.emplace_back("data", data.description);
    return emit(graph);
  }

  // Checkpoints hold State alone: what it is the State of lies beside them, for gf-train export.
  std::string kept_model() const { return a.fit.checkpoints + "/" + kCheckpointModel; }
  void keep_model(const std::vector<std::byte>& file) const {
    std::filesystem::create_directories(io::path_of(a.fit.checkpoints));
    io::write_file(kept_model(), file);
  }

  FitSettings settings(int64_t steps_per_epoch, Model& model) {
    FitSettings s = a.fit;
    if (s.epochs == 0 && s.steps == 0) s.epochs = 3;
    const int64_t steps = s.steps > 0 ? s.steps : s.epochs * steps_per_epoch;
    s.schedule = schedule_of(a.schedule.empty() ? net != nullptr ? net->schedule : "constant" : a.schedule, steps, optim::by_name(optimizer)->learning_rate());
    if (a.patience > 0) s.early_stopping = EarlyStopping{.monitor = a.monitor, .patience = a.patience};
    s.ranks = ranks;
    s.stop = &interrupted;
    if (!is_first()) return s;
    if (common.json) s.listeners.push_back(std::make_shared<JsonLines>(stdout));
    s.listeners.push_back(std::make_shared<Progress>(ProgressSettings{.to = stderr, .bar = stderr_is_terminal()}));
    if (!a.log_dir.empty()) {
      s.listeners.push_back(std::make_shared<TensorBoard>(a.log_dir));
      s.listeners.push_back(std::make_shared<JsonLines>(a.log_dir + "/log.jsonl"));
    }
    if (const auto patience = launcher_patience(); patience && ranks != nullptr && !a.fit.checkpoints.empty()) s.listeners.push_back(std::make_shared<Patience>(*patience, s.listeners));
    if (!a.trace.empty()) s.listeners.push_back(std::make_shared<StepTrace>(a.trace, model, ranks));
    if (!a.plot.empty()) s.listeners.push_back(std::make_shared<Plot>(a.plot, std::filesystem::path(a.model).filename().string(), plot_scale(a.plot_scale)));
    return s;
  }

  int run() {
    if (const std::string note = a.step.precision_note(common); is_first() && !note.empty()) fmt::print(stderr, "{}\n", note);
    if (is_first()) fmt::print(stderr, "{}{}\n", data.description, ranks == nullptr ? "" : fmt::format("; {} ranks", rank_count()));
    if (a.batch > data.train->size()) throw UsageError(fmt::format("--batch {}: there are {} examples", a.batch, data.train->size()));
    set_tuning(a.tuning, common, batches(), data.input().shape);
    if (a.batch % rank_count() != 0) throw UsageError(fmt::format("--batch {} does not divide by {} ranks: it is shared out among them", a.batch, rank_count()));
    const std::vector<std::byte> file = model_file(ranks != nullptr);
    const bool keeps = is_first() && !a.fit.checkpoints.empty();
    // What one process would train: of several ranks, the first keeps and writes that.
    const std::vector<std::byte> of_one = ranks != nullptr && is_first() && (keeps || !a.output.empty()) ? model_file(false) : std::vector<std::byte>();
    const std::vector<std::byte>& alone = ranks != nullptr ? of_one : file;
    if (keeps && !std::filesystem::exists(io::path_of(kept_model()))) keep_model(alone);
    ModelOptions how = model_options(common);
    if (ranks != nullptr) {
      parallel::add_transfer_ops(how);
      if (how.threads == 0) how.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / parallel::ranks_in_environment(true));
    }
    Trainer trainer(Model::from_bytes(file, how));
    data::DataLoader train(data.train, {.batch_size = a.batch / rank_count(), .shuffle = true, .drop_last = true, .seed = common.seed, .num_workers = a.workers,
                                        .rank = ranks == nullptr ? 0 : ranks->rank(), .world = rank_count()});
    data::DataLoader validation(data.validation, {.batch_size = a.evaluate_batch, .num_workers = std::min(a.workers, 1)});
    const FitSettings s = settings(train.size() / a.fit.accumulate, trainer.model());
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
#ifdef SIGUSR1
    if (ranks != nullptr) std::signal(SIGUSR1, on_interrupt);  // mpirun passes it on
#endif
    (void)trainer.fit(train, &validation, s);
    if (keeps) keep_model(alone);  // only now: another model's checkpoints would have been refused
    if (!a.output.empty()) write_trained(trainer.model(), alone);
    return kOk;
  }

  // The file of one process, also where several have trained.
  void write_trained(Model& trained, const std::vector<std::byte>& alone) {
    const Snapshot s = ranks != nullptr ? parallel::whole_snapshot(*ranks, trained.program(), *trained.state(), 0) : snapshot_of(trained.program(), *trained.state(), 0);
    if (!is_first()) return;
    ir::Model graph = read_gf(alone);
    take_state(graph, s);
    io::write_file(a.output, emit(graph));
  }
};

int fit(FitArgs& a, const Common& common) {
  const NetDefaults* net = net_named(a.model);
  if (net == nullptr && !std::filesystem::exists(io::path_of(a.model)))
    throw UsageError(fmt::format("'{}' is no file and no net; nets: {}", a.model, fmt::join(net_names(), ", ")));
  if (const char* flag = a.tuning.changes_weights(); flag != nullptr && !is_onnx_path(a.model))
    throw UsageError(fmt::format("{} goes with an .onnx (and into a .gf by gf-train prepare)", flag));
  const bool prepared = net == nullptr && !is_onnx_path(a.model);
  if (prepared && (a.tuning.qat || !a.tuning.teacher.empty() || a.step.ema > 0)) throw UsageError("--qat, --teacher and --ema are part of the train step, which a .gf has already: give an .onnx or a net");
  if (a.fit.resume && a.fit.checkpoints.empty()) throw UsageError("--resume needs --checkpoint DIR");
  const auto ranks = other_ranks(a.rank_limit);
  if (a.shard_optimizer && ranks == nullptr) throw UsageError("--shard-optimizer is for several processes: mpirun -n N gf-train fit ...");
  a.data.seed = common.seed;
  if (a.batch == 0) a.batch = net != nullptr ? net->batch : 64;
  const std::string loss = a.loss.empty() ? net != nullptr ? net->loss : "cross_entropy" : a.loss;
  const std::string optimizer = a.optimizer.empty() ? net != nullptr ? net->optimizer : "adamw" : a.optimizer;
  try {
    (void)optim::by_name(optimizer);
    (void)loss_named(loss);
  } catch (const Exception& e) {
    throw UsageError(e.what());
  }
  try {
    Data data = open_data(a.data);
    a.evaluate_batch = dividing(data.validation->size(), a.evaluate_batch);
    return Job{a, common, net, std::move(data), loss, optimizer, ranks.get()}.run();
  } catch (const parallel::EveryRank&) {
    if (ranks->rank() == 0) throw;
    return kFailure;  // rank 0 says it
  } catch (const std::exception& e) {
    if (ranks != nullptr) ranks->abort(std::string("gf-train: ") + e.what());
    throw;
  }
}

}  // namespace

Command add_fit(CLI::App& app, Common& common) {
  const auto a = std::make_shared<FitArgs>();
  CLI::App& c = *app.add_subcommand("fit", "Trains a model, or a net by name, on data from files");
  add_common(c, common, 0);
  c.add_option("model", a->model, fmt::format("A .onnx, a .gf made by gf-train prepare, or a net: {}", fmt::join(net_names(), ", ")))->required();
  c.add_option("--data", a->data.what, "mnist:DIR, cifar:DIR, images:DIR[,size=N], csv:FILE[,target=COL][,classes=N], npz:FILE[,classes=N], text:FILE")->required();
  c.add_option("--validate", a->data.validation_share, "Share of the examples that are kept for validation, where the data has no part for it")->capture_default_str();
  c.add_flag("--augment", a->data.augment, "Pictures are shifted, digits turned a little, others turned over");
  c.add_option("--length", a->data.length, "Text: tokens per example")->check(CLI::PositiveNumber)->capture_default_str();
  c.add_option("--loss", a->loss, fmt::format("{} (default: the net's, else cross_entropy)", fmt::join(loss_names(), ", ")));
  c.add_option("--optimizer", a->optimizer, fmt::format("NAME[,SETTING=VALUE...] (default: the net's, else adamw): {}", fmt::join(optim::optimizer_names(), ", ")));
  c.add_option("--schedule", a->schedule, "constant, cosine, linear, onecycle (default: the net's, else constant)");
  c.add_option("--batch", a->batch, "Examples per batch, of all processes together (default: the net's, else 64)")->check(CLI::PositiveNumber);
  c.add_option("--accumulate", a->fit.accumulate, "Batches per step")->check(CLI::PositiveNumber);
  add_step_options(c, a->step);
  CLI::Option* epochs = c.add_option("--epochs", a->fit.epochs, "How often all data are seen (default: 3)")->check(CLI::PositiveNumber);
  c.add_option("--steps", a->fit.steps, "Or how many steps")->check(CLI::PositiveNumber)->excludes(epochs);
  c.add_option("--validate-every", a->fit.validate_every, "Steps between validations (default: an epoch)")->check(CLI::PositiveNumber);
  c.add_option("--patience", a->patience, "Stop after so many validations without a better result")->check(CLI::PositiveNumber);
  c.add_option("--monitor", a->monitor, "What is to get better: loss or accuracy")->check(CLI::IsMember({"loss", "accuracy"}))->capture_default_str();
  add_tuning(c, a->tuning);
  c.add_option("--workers", a->workers, "Threads that read data ahead")->check(CLI::Range(0, 64))->capture_default_str();
  c.add_flag("--shard-optimizer", a->shard_optimizer, "Under mpirun: each process keeps a part of the optimizer's state (ZeRO-1)");
  c.add_option("--rank-limit", a->rank_limit, "Under mpirun: seconds that a process waits for another before the job ends")->check(CLI::PositiveNumber)->capture_default_str();
  c.add_option("--checkpoint", a->fit.checkpoints, "Folder of checkpoints");
  c.add_option("--save-every", a->fit.save_every, "Steps between checkpoints (default: an epoch)")->check(CLI::PositiveNumber);
  c.add_flag("--resume", a->fit.resume, "Go on from the newest good checkpoint");
  c.add_option("--log-dir", a->log_dir, "Folder for TensorBoard's event files and log.jsonl");
  CLI::Option* plot = c.add_option("--plot", a->plot, "The curves as an SVG");
  c.add_option("--plot-scale", a->plot_scale, "Axis of losses: log, linear, or auto: log where they span two decades and none is 0 or less")
    ->check(CLI::IsMember({"auto", "linear", "log"}))
    ->capture_default_str()
    ->needs(plot);
  c.add_option("--trace", a->trace, "A Chrome trace of one step: its nodes, and under mpirun the transfers beside them");
  c.add_option("-o", a->output, "The trained model as a .gf: main, train_step and evaluate");
  return {&c, [a, &common] { return fit(*a, common); }};
}

}  // namespace gf::cli
