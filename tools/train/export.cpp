// gf-train export: what was trained, for use: an inference .gf, an .onnx, or weights alone.
#include <fmt/format.h>

#include <filesystem>

#include "io/file.h"
#include "io/path.h"
#include "tools/common/inputs.h"
#include "tools/train/commands.h"
#include "trainer/checkpoint/directory.h"
#include "trainer/checkpoint/state.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/step/finished_model.h"
#include "trainer/step/train_step.h"

namespace gf::cli {
namespace {

namespace fs = std::filesystem;

struct ExportArgs {
  std::string source, output, model;
  std::vector<std::string> entries;
  int64_t step = -1;
  int optimize = 2;
  bool last_weights = false;
  std::string storage = "int8";
};

enum class Kind { Gf, Onnx, Weights };
Kind kind_of(const std::string& path) {
  if (path.ends_with(".gf")) return Kind::Gf;
  if (path.ends_with(".onnx")) return Kind::Onnx;
  if (path.ends_with(".safetensors") || path.ends_with(".npz")) return Kind::Weights;
  throw UsageError(fmt::format("-o {}: the ending says what is written: .gf, .onnx, .safetensors or .npz", path));
}

class Export {
 public:
  Export(const ExportArgs& a, const Common& common) : a_(a), common_(common), kind_(kind_of(a.output)) {}

  int run() {
    if (!fs::exists(io::path_of(a_.source))) throw Exception(Error::NotFound, fmt::format("{}: no such file or folder", a_.source));
    if (fs::is_directory(io::path_of(a_.source))) read_folder();
    else if (a_.source.ends_with(".safetensors")) checkpoint_ = read_checkpoint(a_.source);
    else if (is_onnx_path(a_.source)) throw UsageError(fmt::format("{} was not trained here: gf-convert makes a .gf of it", a_.source));
    else if (!a_.source.ends_with(".gf")) throw UsageError(fmt::format("{} is neither a folder of checkpoints, nor a checkpoint (.gfckpt.safetensors), nor a .gf", a_.source));
    if (a_.step >= 0 && !fs::is_directory(io::path_of(a_.source))) throw UsageError("--step goes with a folder of checkpoints");
    if (!checkpoint_ && !a_.model.empty()) throw UsageError(fmt::format("--model goes with a checkpoint; {} is a model", a_.source));
    if (kind_ == Kind::Weights) write_weights();
    else write_model();
    report();
    return kOk;
  }

 private:
  void read_folder() {
    CheckpointDirectory folder(a_.source);
    if (a_.step >= 0) {
      checkpoint_ = folder.load(a_.step);
      return;
    }
    std::optional<LoadedCheckpoint> last = folder.load_latest();
    if (!last) throw Exception(Error::NotFound, fmt::format("{} holds no checkpoint", a_.source));
    checkpoint_ = std::move(last->checkpoint);
  }

  // Of the source, with the numbers of the checkpoint.
  ir::Model trained() {
    std::string path = a_.source;
    if (checkpoint_) {
      const fs::path source = io::path_of(a_.source), folder = fs::is_directory(source) ? source : source.parent_path();
      path = a_.model.empty() ? (folder / kCheckpointModel).string() : a_.model;
      if (!fs::exists(io::path_of(path)))
        throw UsageError(a_.model.empty() ? fmt::format("there is no {} beside the checkpoint: say with --model which one it belongs to", kCheckpointModel) : fmt::format("--model {}: no such file", path));
    }
    ModelOptions options = model_options(common_);
    options.verify_data = true;
    Model model = Model::load(path, options);
    ir::Model graph = read_gf(path);
    if (!checkpoint_) return graph;
    if (!restore(*checkpoint_, model.program(), state_of(model)).same_graph)
      note(fmt::format("the checkpoint was saved by another version of {} (batch size, optimizer settings, ...); its tensors fit", path));
    take_state(graph, *model.state());
    averaged_ = !a_.last_weights && model.state()->find(kAveragedState) >= 0;
    return graph;
  }

  // Averages where the training kept some, unless the last weights are wanted.
  bool averaged(const Snapshot& s) {
    const io::SafeTensor* const count = s.find(kAveragedState);
    if (count == nullptr && a_.last_weights) throw Exception(Error::WrongPhase, "this training kept no averages of its weights: they are those of the last step anyway");
    averaged_ = !a_.last_weights && count != nullptr && count->to_array().as<double>().at(0) >= 1;
    return averaged_;
  }

  static State& state_of(Model& model) {
    if (model.state() == nullptr) throw Exception(Error::InvalidArgument, "the model has no State: no checkpoint belongs to it");
    return *model.state();
  }

  void write_model() {
    ir::Model graph = trained();
    InferenceOptions options;
    options.entries = a_.entries;
    options.last_weights = a_.last_weights;
    options.int8_weights = a_.storage == "int8";
    options.integer_products = kind_ == Kind::Gf;
    options.passes.level = a_.optimize;
    options.passes.evaluator = make_evaluator(default_tables(false));
    const bool trains = graph.find("train_step") != nullptr;
    if (!trains) note(fmt::format("{} has no entry train_step: it is written as it is, without what only training needs", a_.source));
    make_inference_model(graph, options);
    for (const auto& e : graph.entries) entries_.push_back(e->name);
    if (kind_ == Kind::Onnx && entries_.size() > 1) throw UsageError(fmt::format("an .onnx has one entry: choose with --entry from {}", fmt::join(entries_, ", ")));
    if (kind_ == Kind::Gf) return write(emit(graph));
    std::vector<std::string> notes;
    const std::vector<std::byte> file = export_onnx(graph, {}, &notes);
    for (const std::string& n : notes) note(n);
    write(file);
  }

  void write_weights() {
    if (!a_.entries.empty()) throw UsageError("--entry goes with .gf and .onnx: weights belong to all entries");
    std::vector<io::NamedArray> weights;
    if (checkpoint_ && a_.model.empty()) {
      weights = weights_of(*checkpoint_, averaged(*checkpoint_));
    } else {
      Model model = Model::load(a_.model.empty() ? a_.source : a_.model, model_options(common_));
      if (checkpoint_) (void)restore(*checkpoint_, model.program(), state_of(model));
      if (model.state() != nullptr) {
        const Snapshot s = snapshot_of(model.program(), *model.state(), 0);
        weights = weights_of(s, averaged(s));
      }
      if (weights.empty()) throw Exception(Error::InvalidArgument, fmt::format("{} has no State: it was not made to train, and its weights are constants. gf-convert writes it as .onnx", a_.source));
    }
    export_weights(a_.output, weights);
    tensors_ = weights.size();
    bytes_ = fs::file_size(io::path_of(a_.output));
  }

  void write(const std::vector<std::byte>& file) {
    io::write_file(a_.output, file);
    bytes_ = file.size();
  }
  void note(const std::string& text) {
    notes_.push_back(text);
    fmt::print(stderr, "note: {}\n", text);
  }

  void report() const {
    if (!common_.json) {
      const std::string what = kind_ == Kind::Weights ? fmt::format("{} tensors", tensors_) : fmt::format("entries {}", fmt::join(entries_, ", "));
      fmt::print("wrote {}: {}, {}{}{}\n", a_.output, bytes_text(bytes_), what, checkpoint_ ? fmt::format(", as after step {}", checkpoint_->step) : "", averaged_ ? ", averaged weights" : "");
      return;
    }
    Json j = {{"output", a_.output}, {"file_bytes", bytes_}, {"step", nullptr}, {"averaged", averaged_}, {"entries", entries_}, {"tensors", tensors_}, {"notes", notes_}};
    if (checkpoint_) j["step"] = checkpoint_->step;
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  const ExportArgs& a_;
  const Common& common_;
  const Kind kind_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<std::string> entries_, notes_;
  bool averaged_ = false;
  size_t tensors_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace

Command add_export(CLI::App& app, Common& common) {
  const auto a = std::make_shared<ExportArgs>();
  CLI::App& c = *app.add_subcommand("export", "What was trained, for use: an inference .gf, an .onnx, or weights alone");
  add_common(c, common, 1);
  c.add_option("source", a->source, "A folder of checkpoints (the newest good one), a checkpoint, or a .gf that was trained")->required();
  c.add_option("-o", a->output, "What to write: .gf, .onnx, .safetensors or .npz")->required();
  c.add_option("--model", a->model, fmt::format("The .gf that a checkpoint belongs to (default: {} beside it, which gf-train fit writes)", kCheckpointModel));
  c.add_option("--step", a->step, "Of a folder: the checkpoint of this step")->check(CLI::NonNegativeNumber);
  c.add_option("--entry", a->entries, "Only these entries (default: all that are not for training)")->delimiter(',');
  c.add_flag("--last-weights", a->last_weights, "Of a training that kept averages (--ema): the weights of the last step instead");
  c.add_option("--storage", a->storage, "Weights that were trained with --qat: int8, a quarter of the bytes, a .gf computes with them in integers; or their values as f32")
    ->check(CLI::IsMember({"int8", "f32"}))
    ->capture_default_str();
  c.add_option("-O", a->optimize, "As gf-convert -O; 0: the values of evaluation bit for bit")->check(CLI::Range(0, 3))->capture_default_str();
  return {&c, [a, &common] { return Export(*a, common).run(); }};
}

}  // namespace gf::cli
