// gf-train check: are the gradients of a model those that differences give?
#include <fmt/format.h>

#include <algorithm>

#include "tools/common/inputs.h"
#include "tools/train/commands.h"
#include "trainer/autodiff/check_model.h"
#include "trainer/autodiff/gradient_table.h"

namespace gf::cli {
namespace {

struct CheckArgs {
  RunArgs run;
  ModelCheckOptions options;
  int directions = 10;
  bool inputs_only = false, list_ops = false;
};

Json row_of(const ModelCheckReport::Tensor& t) {
  return {{"name", t.name}, {"kind", kind_name(t.kind)}, {"shape", t.shape}, {"ok", t.report.ok}, {"worst", t.report.worst}, {"detail", t.report.text}};
}

void print_report(const ModelCheckReport& r, const std::string& entry) {
  for (const ModelCheckReport::Tensor& t : r.tensors)
    fmt::print("{}  {:<7} {:<40} {:<16} error {:.2g} of the tolerance{}\n", t.report.ok ? "    ok" : "DIFFER", kind_name(t.kind), t.name, shape_text(t.shape),
               t.report.worst, t.report.ok ? "" : "\n        " + t.report.text);
  if (r.all.ok)
    fmt::print("gradients of '{}' are right: {} derivatives compared, the largest error is {:.2g} of the tolerance\n", entry, r.all.compared, r.all.worst);
  else
    fmt::print("gradients of '{}' DIFFER from differences: {}\n", entry, r.all.text);
}

int check_ops(const Common& common) {
  Json rows = Json::array();
  for (const GradientRow& r : gradient_table()) rows.push_back({{"op", r.op}, {"gradient", r.why_not.empty()}, {"why_not", r.why_not}});
  if (common.json) {
    fmt::print("{}\n", Json{{"ops", rows}}.dump());
    return kOk;
  }
  const auto with = std::count_if(rows.begin(), rows.end(), [](const Json& r) { return r["gradient"].get<bool>(); });
  fmt::print("| op | gradient |\n|---|---|\n");
  for (const Json& r : rows)
    fmt::print("| {} | {} |\n", r["op"].get<std::string>(), r["gradient"].get<bool>() ? "yes" : "none: " + r["why_not"].get<std::string>());
  fmt::print("\n{} ops have a gradient, {} have none.\n", with, static_cast<std::ptrdiff_t>(rows.size()) - with);
  return kOk;
}

int check(CheckArgs& a, const Common& common) {
  if (a.list_ops) return check_ops(common);
  if (a.run.model.empty()) throw UsageError("give a model, or --list-ops");
  a.run.optimize = 0;  // weights keep their names
  Model model = open_for_run(a.run, model_options(common));
  const Program& program = model.program();
  const int entry = find_entry(program, a.run.entry);
  const auto specs = match_inputs(a.run, program, entry);
  for (size_t i = 0; i < specs.size(); ++i) {
    const PortInfo port = program.input(entry, static_cast<int>(i));
    const std::string spec = specs[i].spec.empty() && !dtype_is_float(port.dtype) ? "ones" : specs[i].spec;
    if (!spec.empty()) a.options.inputs.emplace_back(specs[i].name, load_tensor(spec, port, a.run.image, &program));
  }
  a.options.entry = a.run.entry;
  a.options.weights = !a.inputs_only;
  a.options.how.directions = a.directions;
  a.options.how.seed = common.seed + 1;
  ir::Model graph = read_gf(model);
  const ModelCheckReport r = check_model(graph, a.options);
  if (!common.json) {
    print_report(r, a.run.entry);
    return r.all.ok ? kOk : kFailure;
  }
  Json tensors = Json::array();
  for (const ModelCheckReport::Tensor& t : r.tensors) tensors.push_back(row_of(t));
  const Json j = {{"model", a.run.model}, {"entry", a.run.entry}, {"ok", r.all.ok}, {"compared", r.all.compared},
                  {"worst", r.all.worst}, {"detail", r.all.text}, {"tensors", tensors}};
  fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  return r.all.ok ? kOk : kFailure;
}

}  // namespace

Command add_check(CLI::App& app, Common& common) {
  const auto a = std::make_shared<CheckArgs>();
  CLI::App& c = *app.add_subcommand("check", "Gradients of a model (by inputs, weights and State) against central differences in float64");
  add_common(c, common, 1);
  add_run_args(c, a->run);
  c.get_option("model")->required(false);
  c.add_flag("--each", a->options.each, "One check per tensor, too (it is made anyway when the check of all fails)");
  c.add_flag("--inputs-only", a->inputs_only, "By the inputs alone, not by weights");
  c.add_option("--directions", a->directions, "Random directions, where the Jacobian is too large to compare whole")
    ->capture_default_str()
    ->check(CLI::Range(1, 10000));
  c.add_option("--eps", a->options.how.eps, "Step of the differences")->capture_default_str()->check(CLI::PositiveNumber);
  c.add_option("--atol", a->options.how.atol, "Absolute tolerance")->capture_default_str()->check(CLI::NonNegativeNumber);
  c.add_option("--rtol", a->options.how.rtol, "Relative tolerance")->capture_default_str()->check(CLI::NonNegativeNumber);
  c.add_flag("--list-ops", a->list_ops, "Which ops have a gradient, and why the others have none");
  return {&c, [a, &common] { return check(*a, common); }};
}

}  // namespace gf::cli
