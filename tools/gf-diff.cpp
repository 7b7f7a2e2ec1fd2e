// gf-diff: does a model give what a reference gives? Whole suites, single models, or layer by layer.
#include <fmt/format.h>
#include <unistd.h>

#include "tools/common/suite.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  std::string model, suite, reference, filter = "*";
  double rtol = 1e-3, atol = 1e-7, timeout = 60;
  int jobs = 1, optimize = 2;
  bool layers = false;
};

int suite(const Args& a) {
  SuiteOptions o;
  o.directory = a.suite;
  o.filter = a.filter;
  o.rtol = a.rtol;
  o.atol = a.atol;
  o.timeout_seconds = a.timeout;
  o.jobs = a.jobs;
  o.optimize = a.optimize;
  o.model = model_options(a.common);
  const Json result = run_suite(o, isatty(2) != 0 && !a.common.json);
  const int bad = result["failed"].get<int>() + result["crashed"].get<int>() + result["timed_out"].get<int>();
  if (a.common.json) {
    fmt::print("{}\n", result.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    for (const Json& c : result["cases"]) {
      const std::string status = c["status"];
      if (status == "passed" || (status == "unsupported" && !a.common.verbose)) continue;
      fmt::print("{:12} {}{}{}  {}\n", status, c["name"].get<std::string>(), c["set"].get<std::string>().empty() ? "" : " ", c["set"].get<std::string>(), c["detail"].get<std::string>());
    }
    fmt::print("{} passed, {} failed, {} unsupported, {} crashed, {} timed out\n", result["passed"].get<int>(), result["failed"].get<int>(), result["unsupported"].get<int>(), result["crashed"].get<int>(), result["timed_out"].get<int>());
  }
  return bad == 0 ? kOk : kFailure;
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool("gf-diff", "Compares a model's outputs with a reference",
                  "  gf-diff --suite onnx-backend/node --filter 'test_conv*' --jobs 2\n"
                  "  gf-diff model.onnx --reference outputs.npz --layers",
                  argc, argv, [&a](CLI::App& app) {
                    add_common(app, a.common, 1);
                    app.add_option("model", a.model, "Model (.gf or .onnx)");
                    app.add_option("--suite", a.suite, "Folder of cases in the ONNX backend-test layout");
                    app.add_option("--reference", a.reference, "Folder of .npy files or an .npz with inputs and outputs by name");
                    app.add_option("--filter", a.filter, "Only cases whose name matches this glob")->capture_default_str();
                    app.add_option("--rtol", a.rtol, "Relative tolerance")->capture_default_str()->check(CLI::NonNegativeNumber);
                    app.add_option("--atol", a.atol, "Absolute tolerance")->capture_default_str()->check(CLI::NonNegativeNumber);
                    app.add_option("--timeout", a.timeout, "Seconds for one case")->capture_default_str()->check(CLI::PositiveNumber);
                    app.add_option("--jobs", a.jobs, "Cases at the same time")->capture_default_str()->check(CLI::Range(1, 256));
                    app.add_option("-O", a.optimize, "Optimisation level of the conversion")->capture_default_str()->check(CLI::Range(0, 3));
                    app.add_flag("--layers", a.layers, "Find the first node that departs from the reference");
                    return [&a]() -> int {
                      if (a.suite.empty() == a.model.empty()) throw UsageError("give either a model or --suite");
                      if (!a.suite.empty()) return suite(a);
                      throw UsageError("a model needs --reference");
                    };
                  });
}
