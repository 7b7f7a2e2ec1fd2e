#include "tools/common/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "io/path.h"
#include "tools/common/console.h"

namespace gf::cli {

void add_common(CLI::App& app, Common& c, int default_threads) {
  c.threads = default_threads;
  app.add_flag("--json", c.json, "One JSON object on stdout and nothing else there");
  app.add_flag("-v,--verbose", c.verbose, "Say more on stderr");
  app.add_option("--threads", c.threads, "Threads (0: all physical cores)")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--isa", c.isa, "Use at most this instruction set")
      ->check(CLI::IsMember({"portable", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx", "neon"}));
  app.add_option("--seed", c.seed, "Seed of random inputs")->capture_default_str();
  app.add_flag("--no-xnnpack", c.no_xnnpack, "Leave XNNPACK out");
  app.add_option("--prefer", c.prefer, "Take these kernels wherever they accept a node")
      ->check(CLI::IsMember({"simd", "xnnpack", "portable"}));
}

int run_tool(const std::string& name, const std::string& what, const std::string& examples, int argc, char** argv,
             const std::function<std::function<int()>(CLI::App&)>& define) {
  CLI::App app{what, name};
  app.allow_windows_style_options(false);  // the same command lines everywhere; a word that begins with / is a path
  app.set_version_flag("--version", name + " " GF_VERSION);
  app.footer("Examples:\n" + examples);
  const std::function<int()> body = define(app);
  try {
    std::vector<std::string> arguments = command_line(argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e) == 0 ? kOk : kUsage;
    fmt::print(stderr, "{}: {}\nTry '{} --help'.\n", name, e.what(), name);
    return kUsage;
  }
  try {
    return body();
  } catch (const UsageError& e) {
    fmt::print(stderr, "{}: {}\nTry '{} --help'.\n", name, e.what(), name);
    return kUsage;
  } catch (const Exception& e) {
    fmt::print(stderr, "{}: {}\n", name, e.what());
    if (e.code() == Error::Unsupported || e.code() == Error::UnknownOp) return kUnsupported;
    const bool names_flag = e.code() == Error::NotFound && std::string_view(e.what()).starts_with("--");
    return e.code() == Error::InvalidArgument || names_flag ? kUsage : kFailure;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "{}: out of memory\n", name);
    return kFailure;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", name, e.what());
    return kFailure;
  }
}

ModelOptions model_options(const Common& c) {
  ModelOptions o;
  o.threads = c.threads;
  o.verify_data = true;
  o.xnnpack = !c.no_xnnpack;
  o.prefer = c.prefer;
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Vnni, Isa::Avx512Bf16, Isa::Amx, Isa::Neon})
    if (c.isa == isa_name(isa)) o.isa = isa;
  return o;
}

std::pair<std::string, std::string> split_pair(const std::string& text, const char* flag) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    throw UsageError(fmt::format("{} wants NAME=VALUE, not '{}'", flag, text));
  return {text.substr(0, at), text.substr(at + 1)};
}

namespace {

int64_t parse_int(const std::string& text, const std::string& whole) {
  try {
    size_t used = 0;
    const int64_t v = std::stoll(text, &used);
    if (used == text.size()) return v;
  } catch (const std::exception&) {
  }
  throw UsageError(fmt::format("'{}' in '{}' is not a whole number", text, whole));
}

}  // namespace

int64_t parse_count(const std::string& text, const std::string& whole) {
  const int64_t v = parse_int(text, whole);
  if (v < 0) throw UsageError(fmt::format("'{}' in '{}' is negative", text, whole));
  return v;
}

void add_later(CLI::App& app, std::initializer_list<LaterFlag> flags) {
  for (const LaterFlag& f : flags) {
    const std::string message = fmt::format("{} comes with a later version ({})", f.name, f.what);
    const std::string help = fmt::format("Not yet: {}", f.what);
    if (f.takes_value)
      app.add_option_function<std::string>(
          f.name, [message](const std::string&) { throw CLI::ValidationError(message); }, help);
    else
      app.add_flag_callback(
          f.name, [message] { throw CLI::ValidationError(message); }, help);
  }
}

uint64_t parse_bytes(const std::string& text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  std::string unit = text.substr(digits);
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  uint64_t scale = 0;
  if (unit.empty() || unit == "B")
    scale = 1;
  else if (unit == "K" || unit == "KB" || unit == "KIB")
    scale = uint64_t{1} << 10;
  else if (unit == "M" || unit == "MB" || unit == "MIB")
    scale = uint64_t{1} << 20;
  else if (unit == "G" || unit == "GB" || unit == "GIB")
    scale = uint64_t{1} << 30;
  if (digits == 0 || scale == 0)
    throw UsageError(fmt::format("'{}' is not a size; write 8MB, 512k or a number of bytes", text));
  uint64_t bytes = 0;
  if (!mul_checked<uint64_t>(static_cast<uint64_t>(parse_int(text.substr(0, digits), text)), scale, bytes))
    throw UsageError(fmt::format("'{}' is too large", text));
  return bytes;
}

std::pair<std::string, std::pair<int64_t, int64_t>> parse_dim(const std::string& text) {
  const auto [name, range] = split_pair(text, "--dim");
  const size_t dots = range.find("..");
  if (dots == std::string::npos) {
    const int64_t v = parse_int(range, text);
    return {name, {v, v}};
  }
  return {name, {parse_int(range.substr(0, dots), text), parse_int(range.substr(dots + 2), text)}};
}

std::pair<std::string, std::vector<int64_t>> parse_shape(const std::string& text) {
  const auto [name, dims] = split_pair(text, "--shape");
  std::vector<int64_t> shape;
  size_t from = 0;
  if (dims == "scalar") return {name, shape};
  while (from <= dims.size()) {
    const size_t to = std::min(dims.find_first_of("x,", from), dims.size());
    shape.push_back(parse_int(dims.substr(from, to - from), text));
    from = to + 1;
  }
  return {name, shape};
}

bool is_onnx_path(const std::string& path) { return io::path_of(path).extension() == ".onnx"; }

void check_model_path(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(io::path_of(path), ignored))
    throw Exception(Error::NotFound, fmt::format("there is no file '{}'", path));
  if (std::filesystem::is_directory(io::path_of(path), ignored))
    throw Exception(Error::IoError, fmt::format("'{}' is a folder; a model is a .gf or .onnx file", path));
}

Model open_model(const std::string& path, const ModelOptions& options, const onnx::ImportOptions& import, int optimize) {
  check_model_path(path);
  if (!is_onnx_path(path)) {
    try {
      return Model::load(path, options);
    } catch (const Exception& e) {
      throw Exception(e.code(), fmt::format("'{}': {}", path, e.what()));
    }
  }
  ConvertOptions convert_options;
  convert_options.optimize = optimize;
  ConvertReport report;
  ir::Model model = convert_files({{path, import}}, convert_options, &report);
  for (const std::string& note : report.notes) fmt::print(stderr, "note: {}\n", note);
  EmitOptions emit_options;
  emit_options.node_names = true;
  return Model::from_bytes(emit(model, emit_options), options);
}

std::string file_name(const std::string& name) {
  std::string out = name;
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '_';
  return out.empty() ? "_" : out;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::string bytes_text(uint64_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (bytes >= (uint64_t{1} << 30)) return fmt::format("{:.2f} GB", b / (1 << 30));
  if (bytes >= (1 << 20)) return fmt::format("{:.2f} MB", b / (1 << 20));
  if (bytes >= (1 << 10)) return fmt::format("{:.1f} kB", b / (1 << 10));
  return fmt::format("{} B", bytes);
}

}  // namespace gf::cli
