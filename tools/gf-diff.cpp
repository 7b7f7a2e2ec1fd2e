// gf-diff: does a model give what a reference gives? Whole suites, single models, or layer by layer.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "tools/common/diff.h"
#include "tools/common/suite.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  std::string model, suite, reference, filter = "*", image;
  double rtol = 1e-3, timeout = 60;
  std::optional<double> atol;  ///< default: 1e-7 for a suite (the official runner's), 1e-4 for a model
  int jobs = 1, optimize = 2;
  bool layers = false, round_trip = false;
};

int suite(const Args& a) {
  SuiteOptions o;
  o.directory = a.suite;
  o.filter = a.filter;
  o.rtol = a.rtol;
  o.atol = a.atol.value_or(1e-7);
  o.timeout_seconds = a.timeout;
  o.jobs = a.jobs;
  o.optimize = a.optimize;
  o.round_trip = a.round_trip;
  o.model = model_options(a.common);
  const Json result = run_suite(o, isatty(2) != 0 && !a.common.json);
  const int bad = result["failed"].get<int>() + result["crashed"].get<int>() + result["timed_out"].get<int>();
  if (a.common.json) {
    fmt::print("{}\n", result.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    for (const Json& c : result["cases"]) {
      const std::string status = c["status"];
      if (status == "passed" || (status == "unsupported" && !a.common.verbose)) continue;
      fmt::print("{:12} {}{}{}  {}\n", status, c["name"].get<std::string>(),
                 c["set"].get<std::string>().empty() ? "" : " ", c["set"].get<std::string>(),
                 c["detail"].get<std::string>());
    }
    fmt::print("{} passed, {} failed, {} unsupported, {} crashed, {} timed out\n", result["passed"].get<int>(),
               result["failed"].get<int>(), result["unsupported"].get<int>(), result["crashed"].get<int>(),
               result["timed_out"].get<int>());
  }
  return bad == 0 ? kOk : kFailure;
}

void print_row(const Json& row, const std::string& name) {
  fmt::print("{}  {:<40} max_abs {:.3g}  max_rel {:.3g}{}\n", row["equal"].get<bool>() ? "  same" : "DIFFER", name,
             row["max_abs"].get<double>(), row["max_rel"].get<double>(),
             row["detail"].get<std::string>().empty() ? "" : "  " + row["detail"].get<std::string>());
}

int model(const Args& a) {
  DiffOptions o;
  o.model = a.model;
  o.reference = a.reference;
  o.rtol = a.rtol;
  o.atol = a.atol.value_or(1e-4);
  o.optimize = a.optimize;
  o.image = a.image;
  o.run = model_options(a.common);
  const Json j = a.layers ? diff_layers(o) : diff_outputs(o);
  const bool same = a.layers ? j["first_difference"].is_null() : j["passed"].get<bool>();
  if (a.common.json) {
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else if (!a.layers) {
    for (const Json& row : j["outputs"]) print_row(row, row["name"]);
  } else {
    if (j["reference"] != "given") fmt::print("{}\n", j["reference"].get<std::string>());
    for (const Json& row : j["nodes"])
      if (a.common.verbose || !row["equal"].get<bool>())
        print_row(row, row["node"].get<std::string>() + " (" + row["op"].get<std::string>() + ")");
    if (same)
      fmt::print("{} values compared, no difference\n", j["nodes"].size());
    else
      fmt::print("{} values compared; the first that differs is '{}', written by node '{}' ({})\n", j["nodes"].size(),
                 j["first_difference"]["output"].get<std::string>(), j["first_difference"]["node"].get<std::string>(),
                 j["first_difference"]["op"].get<std::string>());
  }
  return same ? kOk : kFailure;
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool(
      "gf-diff", "Compares a model's outputs with a reference",
      "  gf-diff --suite onnx-backend/node --filter 'test_conv*' --jobs 2\n"
      "  gf-diff model.onnx --reference outputs.npz --layers",
      argc, argv, [&a](CLI::App& app) {
        add_common(app, a.common, 1);
        app.add_option("model", a.model, "Model (.gf or .onnx)");
        app.add_option("--suite", a.suite, "Folder of cases in the ONNX backend-test layout");
        app.add_option(
            "--reference", a.reference,
            "Folder of tensor files or an .npz, with inputs and outputs by name (input_0, output_0 by position)");
        app.add_option("--image", a.image, "How pictures in the reference become numbers");
        app.add_option("--filter", a.filter, "Only cases whose name matches this glob")->capture_default_str();
        app.add_option("--rtol", a.rtol, "Relative tolerance")->capture_default_str()->check(CLI::NonNegativeNumber);
        app.add_option("--atol", a.atol, "Absolute tolerance (default: 1e-7 for a suite, 1e-4 for a model)")
            ->check(CLI::NonNegativeNumber);
        app.add_option("--timeout", a.timeout, "Seconds for one case")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        app.add_option("--jobs", a.jobs, "Cases at the same time")->capture_default_str()->check(CLI::Range(1, 256));
        app.add_option("-O", a.optimize, "Optimisation level of the conversion")
            ->capture_default_str()
            ->check(CLI::Range(0, 3));
        app.add_flag("--round-trip", a.round_trip,
                     "Suites: run what comes back when each model is written as .gf, then as ONNX, and converted again");
        app.add_flag("--layers", a.layers, "Find the first node that departs from the reference");
        return [&a]() -> int {
          if (a.suite.empty() == a.model.empty()) throw UsageError("give either a model or --suite");
          if (!a.suite.empty()) return suite(a);
          if (a.reference.empty()) throw UsageError("a model needs --reference DIR or FILE.npz");
          return model(a);
        };
      });
}
