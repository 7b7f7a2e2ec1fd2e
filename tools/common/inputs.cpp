#include "tools/common/inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "converter/include/ghostflow/converter.h"
#include "io/path.h"

namespace gf::cli {
namespace {

bool is_initializer(const onnx::Model& model, const std::string& name) {
  return std::any_of(model.graph.initializer.begin(), model.graph.initializer.end(),
                     [&](const onnx::Tensor& t) { return t.name == name; });
}

// The flag's text for an input, "" when there is none. A lone FILE belongs to the only input.
std::string spec_of(const std::vector<std::string>& flags, const std::string& name, bool only) {
  for (const std::string& flag : flags) {
    if (flag.starts_with(name + "=")) return flag.substr(name.size() + 1);
    if (only && flag.find('=') == std::string::npos) return flag;
  }
  return "";
}

std::string onnx_metadata(const onnx::Model& model, const std::string& key) {
  for (const onnx::StringPair& p : model.metadata_props)
    if (p.key == key) return p.value;
  return "";
}

onnx::ImportOptions shapes_of_files(const RunArgs& args) {
  onnx::ImportOptions import;
  if (!args.entry.empty()) import.entry = args.entry;
  const onnx::Model model = onnx::read_model_file(io::path_of(args.model));
  const auto inputs = graph_inputs(model);
  for (const onnx::ValueInfo* info : inputs) {
    const std::string spec = spec_of(args.inputs, info->name, inputs.size() == 1);
    if (spec.empty() || is_generated(spec)) continue;
    const bool gray =
        info->type && info->type->shape && info->type->shape->size() == 4 && (*info->type->shape)[1].value == 1;
    const HostTensor t = read_tensor_file(spec, args.image.empty() ? onnx_metadata(model, "image") : args.image, gray);
    std::vector<int64_t> shape = t.shape;
    int64_t count = t.count();
    if (args.stream && args.stream->name == info->name && !shape.empty()) {
      if (shape.back() != 0) count = count / shape.back() * args.stream->samples;
      shape.back() = args.stream->samples;
    }
    if (const auto fitted = declared_shape(*info, shape, count)) import.shapes[info->name] = *fitted;
  }
  return import;
}

}  // namespace

std::vector<const onnx::ValueInfo*> graph_inputs(const onnx::Model& model) {
  std::vector<const onnx::ValueInfo*> inputs;
  for (const onnx::ValueInfo& v : model.graph.input)
    if (!is_initializer(model, v.name)) inputs.push_back(&v);
  return inputs;
}

std::optional<std::vector<int64_t>> declared_shape(const onnx::ValueInfo& info, const std::vector<int64_t>& have,
                                                   int64_t count) {
  if (!info.type || !info.type->shape) return have;
  const auto& dims = *info.type->shape;
  int64_t fixed = 1;
  size_t open = 0, open_at = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d].kind == onnx::Dimension::Kind::Value)
      fixed *= dims[d].value;
    else
      ++open, open_at = d;
  }
  if (open == 0) return std::nullopt;
  std::vector<int64_t> padded = have;
  while (padded.size() < dims.size()) padded.insert(padded.begin(), 1);
  bool fits = padded.size() == dims.size();
  for (size_t d = 0; fits && d < dims.size(); ++d)
    fits = dims[d].kind != onnx::Dimension::Kind::Value || dims[d].value == padded[d];
  if (fits) return padded;
  if (open != 1 || fixed <= 0 || count % fixed != 0) return std::nullopt;
  std::vector<int64_t> shape;
  for (size_t d = 0; d < dims.size(); ++d) shape.push_back(d == open_at ? count / fixed : dims[d].value);
  return shape;
}

StreamSpec parse_stream(const std::string& text) {
  const auto [name, rest] = split_pair(text, "--stream");
  const size_t colon = rest.find(':');
  StreamSpec s{name, parse_count(rest.substr(0, colon), text), 0};
  s.hop = colon == std::string::npos ? s.samples : parse_count(rest.substr(colon + 1), text);
  if (s.samples < 1 || s.hop < 1) throw UsageError(fmt::format("--stream {}: window and hop must be at least 1", text));
  return s;
}

void add_run_args(CLI::App& app, RunArgs& args) {
  app.add_option("model", args.model, "Model (.gf, or .onnx, which is converted in memory)")->required();
  app.add_option("--entry", args.entry, "Entry point (default: main, or the only one)");
  app.add_option("--input", args.inputs,
                 "name=FILE (.npy .npz .pb .csv .txt .png .jpg .wav .idx) or zeros, ones, random:SEED; the name may be "
                 "left out when there is one input")
      ->allow_extra_args(false);
  app.add_option("--image", args.image,
                 "How pictures become numbers: nchw|nhwc,rgb|bgr|gray,scale=,mean=,std=,size=,crop= (default: the "
                 "model's metadata)");
  app.add_option("--pool", args.pool, "Memory for values whose size has no bound, such as 64MB");
  app.add_flag("--strict", args.strict, "Refuse reference kernels: fail when a node has no tuned one");
}

Model open_for_run(RunArgs& args, ModelOptions options) {
  options.strict = args.strict;
  if (!args.pool.empty()) options.pool_bytes = parse_bytes(args.pool);
  onnx::ImportOptions import;
  if (is_onnx_path(args.model)) import = shapes_of_files(args);
  Model model = open_model(args.model, options, import, args.optimize);
  if (args.entry.empty())
    args.entry = model.program().entry_count() == 1 ? std::string(model.program().entry_name(0)) : "main";
  return model;
}

int find_entry(const Program& program, const std::string& name) {
  const int entry = program.find_entry(name);
  if (entry >= 0) return entry;
  std::string list;
  for (int i = 0; i < program.entry_count(); ++i) list += (i == 0 ? "" : ", ") + std::string(program.entry_name(i));
  throw UsageError(fmt::format("the model has no entry '{}'; there are: {}", name, list));
}

std::string port_shape_text(const Program& program, int entry, const PortInfo& port) {
  if (port.rank == 0) return "scalar";
  std::string text;
  for (int d = 0; d < port.rank; ++d) {
    if (d > 0) text += "x";
    if (port.symbols[d] == -1)
      text += std::to_string(port.bounds[d]);
    else if (port.symbols[d] >= 0)
      text += std::string(program.symbol(entry, port.symbols[d]).name);
    else
      text += fmt::format("(<={})", port.bounds[d]);
  }
  for (int i = 0; i < program.symbol_count(entry); ++i) {
    const SymbolInfo s = program.symbol(entry, i);
    if (std::find(port.symbols, port.symbols + port.rank, i) != port.symbols + port.rank)
      text += fmt::format(" {}={}..{}", s.name, s.lo, s.hi);
  }
  return text;
}

std::string ports_text(const Program& program, int entry) {
  std::string list;
  for (int i = 0; i < program.input_count(entry); ++i) {
    const PortInfo p = program.input(entry, i);
    list += fmt::format("{}{} ({} {})", i == 0 ? "" : ", ", p.name, dtype_name(p.dtype),
                        port_shape_text(program, entry, p));
  }
  return list.empty() ? "none" : list;
}

std::vector<InputSpec> match_inputs(const RunArgs& args, const Program& program, int entry) {
  std::vector<InputSpec> rows;
  for (int i = 0; i < program.input_count(entry); ++i) {
    const std::string name(program.input(entry, i).name);
    rows.push_back({name, spec_of(args.inputs, name, program.input_count(entry) == 1)});
  }
  for (const std::string& flag : args.inputs) {
    const size_t at = flag.find('=');
    if (at == std::string::npos && rows.size() == 1) continue;
    if (at == std::string::npos)
      throw UsageError(fmt::format("--input {}: the entry has {} inputs, so a name is needed (name=FILE); they are: {}",
                                   flag, rows.size(), ports_text(program, entry)));
    const bool known =
        std::any_of(rows.begin(), rows.end(), [&](const InputSpec& r) { return flag.starts_with(r.name + "="); });
    if (!known)
      throw UsageError(fmt::format("--input {}: there is no input '{}'; inputs of '{}': {}", flag, flag.substr(0, at),
                                   program.entry_name(entry), ports_text(program, entry)));
  }
  return rows;
}

}  // namespace gf::cli
