// What all tools share: common flags, exit codes, models and tensors from the command line, JSON on stdout and people's
// text on stderr. The contract of names and fields is tools/README.md.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "facade/convert.h"
#include "facade/host_run.h"

namespace gf::cli {

using Json = nlohmann::ordered_json;

enum ExitCode : int { kOk = 0, kFailure = 1, kUsage = 2, kUnsupported = 3 };

/// Flags that every tool has.
struct Common {
  bool json = false;
  bool verbose = false;
  int threads = 0;
  std::string isa;
  uint64_t seed = 0;
  bool no_xnnpack = false;
  std::string prefer;
};
void add_common(CLI::App& app, Common& common, int default_threads);

/// Parses and runs: help and version to stdout, wrong usage 2, ImportError and Unsupported 3, other exceptions 1.
/// `name` is the tool's, `examples` stand at the end of --help.
int run_tool(const std::string& name, const std::string& what, const std::string& examples, int argc, char** argv,
             const std::function<std::function<int()>(CLI::App&)>& define);
/// Throw for wrong usage found after parsing.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

ModelOptions model_options(const Common& common);
/// "name=value" -> pair; UsageError otherwise.
std::pair<std::string, std::string> split_pair(const std::string& text, const char* flag);
/// A whole number that is not negative; UsageError naming `whole` otherwise.
int64_t parse_count(const std::string& text, const std::string& whole);
/// Flags of the contract that a later version brings: they are accepted by the parser and end with exit code 2 and a
/// line that says so. `takes_value`: the flag has an argument.
struct LaterFlag {
  const char* name;
  bool takes_value;
  const char* what;
};
void add_later(CLI::App& app, std::initializer_list<LaterFlag> flags);
/// "8MB", "512k", "123".
uint64_t parse_bytes(const std::string& text);
/// "N=1..64" or "N=8".
std::pair<std::string, std::pair<int64_t, int64_t>> parse_dim(const std::string& text);
/// "x=1x3x224x224".
std::pair<std::string, std::vector<int64_t>> parse_shape(const std::string& text);

/// A .gf is mapped, an .onnx converted in memory (`imports` apply to it; notes go to stderr).
Model open_model(const std::string& path, const ModelOptions& options, const onnx::ImportOptions& import = {}, int optimize = 2);
bool is_onnx_path(const std::string& path);
/// NotFound or IoError when there is no such file.
void check_model_path(const std::string& path);

/// A tensor named on the command line: a file of any kind the contract lists, or zeros / ones / random:SEED shaped like
/// `port` (bounds for varying dimensions). Adapted to the port's type and, where only the count fits, shape.
HostTensor load_tensor(const std::string& spec, const PortInfo& port, const std::string& image_options,
                       const Program* program);
/// Type and shape of `tensor` as the port wants them. TypeMismatch where a value would change, ShapeMismatch.
HostTensor fit_tensor(HostTensor tensor, const PortInfo& port, const std::string& where);
/// The file as it is; `gray`: pictures have one channel unless the options say otherwise.
HostTensor read_tensor_file(const std::string& path, const std::string& image_options, bool gray = false);
/// zeros, ones, random[:SEED].
bool is_generated(const std::string& spec);
/// One ONNX TensorProto file.
HostTensor load_pb(const std::string& path);
/// `DIR/<name>.npy`; returns the path.
std::string save_output(const std::string& directory, const std::string& name, const HostTensor& tensor);
/// Name as a file name: other characters than letters, digits, '.', '_', '-' become '_'.
std::string file_name(const std::string& name);
std::string shape_text(const std::vector<int64_t>& shape);
std::string bytes_text(uint64_t bytes);

/// Reads a file into labels: one per line.
std::vector<std::string> read_labels(const Program& program);

}  // namespace gf::cli
