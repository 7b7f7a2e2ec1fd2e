// gf-train prepare: a model for inference becomes one that a device trains with the runtime alone.
#include <fmt/format.h>

#include <algorithm>

#include "io/file.h"
#include "tools/common/inputs.h"
#include "tools/train/commands.h"
#include "tools/train/import.h"
#include "tools/train/step_options.h"
#include "tools/train/tuning.h"
#include "trainer/optim/by_name.h"
#include "trainer/step/prepare.h"

namespace gf::cli {
namespace {

struct PrepareArgs {
  ImportForTraining model;
  std::string output, optimizer = "adamw", memory;
  StepArgs step;
  Tuning tuning;
};

Json report_of(const PrepareArgs& a, const PrepareReport& r, Model model, size_t file_bytes) {
  Json weights = Json::array();
  for (const PrepareReport::Weight& w : r.weights) weights.push_back({{"name", w.name}, {"shape", w.dims}, {"trained", w.trained}});
  Json j = {{"output", a.output}, {"file_bytes", file_bytes}, {"trained", r.trained}, {"frozen", r.frozen}, {"weights", weights}, {"memory", Json::object()}, {"notes", r.notes}};
  for (const char* entry : {"train_step", "evaluate"}) {
    const MemoryNeeds m = model.needs(entry);
    j["memory"][entry] = {{"weights_bytes", m.weights_bytes}, {"state_bytes", m.state_bytes}, {"activation_bytes", m.activation_bytes}, {"scratch_bytes", m.scratch_bytes}, {"session_bytes", m.session_bytes}};
  }
  if (r.fit) j["fit"] = {{"bytes_before", r.fit->bytes_before}, {"bytes", r.fit->bytes}, {"nodes_again", r.fit->nodes_again}, {"macs", r.fit->macs}, {"macs_again", r.fit->macs_again}};
  return j;
}

void print_report(const PrepareArgs& a, const Json& j) {
  for (const auto& note : j["notes"]) fmt::print("note: {}\n", note.get<std::string>());
  const Json& m = j["memory"]["train_step"];
  fmt::print("{}: {} numbers are trained, {} stay as they are; {}\n", a.output, j["trained"].get<int64_t>(), j["frozen"].get<int64_t>(), bytes_text(j["file_bytes"].get<uint64_t>()));
  fmt::print("a step takes {} of activations and scratch, {} of State and {} of weights\n",
             bytes_text(m["activation_bytes"].get<uint64_t>() + m["scratch_bytes"].get<uint64_t>()), bytes_text(m["state_bytes"].get<uint64_t>()), bytes_text(m["weights_bytes"].get<uint64_t>()));
  if (j.contains("fit") && j["fit"]["nodes_again"] > 0)
    fmt::print("{} nodes are computed again to fit: {} instead of {}, {:.1f} % more multiply-accumulates\n", j["fit"]["nodes_again"].get<int>(), bytes_text(j["fit"]["bytes"].get<uint64_t>()),
               bytes_text(j["fit"]["bytes_before"].get<uint64_t>()), 100.0 * j["fit"]["macs_again"].get<double>() / std::max(1.0, j["fit"]["macs"].get<double>()));
}

int prepare(PrepareArgs& a, const Common& common) {
  PrepareOptions& o = a.tuning.options;
  try {
    o.optimizer = optim::by_name(a.optimizer);
  } catch (const Exception& e) {
    throw UsageError(e.what());
  }
  const auto losses = loss_names();
  if (std::find(losses.begin(), losses.end(), o.loss) == losses.end())
    throw UsageError(fmt::format("there is no loss '{}'; there are: {}", o.loss, fmt::join(losses, ", ")));
  set_tuning(a.tuning, common, a.model.batch, {});
  if (!a.memory.empty()) o.memory = parse_bytes(a.memory);
  o.passes.evaluator = make_evaluator(default_tables(false));
  o.step = a.step.options();
  a.step.set(o.passes);
  a.model.entry = o.entry;
  ir::Model graph = import_for_training(a.model);
  PrepareReport report = prepare_training(graph, o);
  if (const std::string note = a.step.precision_note(common); !note.empty()) report.notes.push_back(note);
  const std::vector<std::byte> file = emit(graph);
  io::write_file(a.output, file);
  const Json j = report_of(a, report, open_model(a.output, model_options(common)), file.size());
  if (common.json) fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  else print_report(a, j);
  return kOk;
}

}  // namespace

Command add_prepare(CLI::App& app, Common& common) {
  const auto a = std::make_shared<PrepareArgs>();
  PrepareOptions& o = a->tuning.options;
  CLI::App& c = *app.add_subcommand("prepare", "Entries train_step and evaluate beside that of a model: a file that trains with the runtime alone");
  add_common(c, common, 1);
  c.add_option("model", a->model.path, "Model (.onnx; or a .gf made with gf-convert -O0)")->required();
  c.add_option("-o", a->output, "The .gf to write")->required();
  c.add_option("--loss", o.loss, fmt::format("{}; its target is input 'target'", fmt::join(loss_names(), ", ")))->required();
  c.add_option("--optimizer", a->optimizer, fmt::format("NAME[,SETTING=VALUE...] with PyTorch's names and defaults: {}", fmt::join(optim::optimizer_names(), ", ")))->capture_default_str();
  c.add_option("--entry", o.entry, "The entry to train")->capture_default_str();
  c.add_option("--output", o.output, "The prediction, where the entry has several outputs");
  add_tuning(c, a->tuning);
  c.add_option("--batch", a->model.batch, "Examples per step: N, or LOW..HIGH for a batch that varies");
  c.add_option("--shape", a->model.shapes, "Shape of an input: x=1x3x224x224")->allow_extra_args(false);
  c.add_option("--dim", a->model.dims, "Bounds of a named dimension: N=1..64")->allow_extra_args(false);
  c.add_option("--memory", a->memory, "Most bytes for activations and scratch of a step, such as 8MB: results are computed again to meet it");
  add_step_options(c, a->step);
  c.add_option("--accumulate", a->step.step.accumulate_entry, "Name of one more entry that adds gradients up: a batch in pieces");
  return {&c, [a, &common] { return prepare(*a, common); }};
}

}  // namespace gf::cli
