// gf-convert: ONNX files to one .gf, a file per entry point; says what the passes did and what was left to do. Of a .gf: back
// to ONNX, as C, or with golden vectors and a signature.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "converter/include/ghostflow/converter.h"
#include "facade/sections.h"
#include "io/file.h"
#include "io/path.h"
#include "tools/common/emit_c.h"
#include "tools/common/golden.h"
#include "tools/common/inputs.h"
#include "tools/common/keys.h"
#include "tools/common/measure.h"
#include "tools/common/program_view.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  std::vector<std::string> files, shapes, dims, binds, states, meta, golden_inputs;
  std::string output, entry, report, storage = "f32", image, emit_c, emit_target, sign;
  int golden = 0;
  int optimize = 2;
  bool integers = false, keep_node_names = false, list_ops = false;
};

struct Source {
  std::string path, entry;
  onnx::Model model;
  onnx::ImportOptions import;
};

// "NAME=FILE" for entries after the first; a FILE alone is the first (or only) one.
std::vector<Source> read_sources(const Args& a) {
  std::vector<Source> sources;
  for (const std::string& text : a.files) {
    Source s;
    const size_t at = text.find('=');
    const bool named = at != std::string::npos && !std::filesystem::exists(io::path_of(text));
    s.entry = named ? text.substr(0, at) : a.entry.empty() ? "main" : a.entry;
    s.path = named ? text.substr(at + 1) : text;
    if (!named && !sources.empty())
      throw UsageError(fmt::format("'{}': a further model needs the name of its entry: NAME={}", text, text));
    check_model_path(s.path);
    s.model = onnx::read_model_file(io::path_of(s.path));
    s.import.entry = s.entry;
    sources.push_back(std::move(s));
  }
  return sources;
}

bool has_input(const onnx::Model& m, const std::string& name) {
  return std::any_of(m.graph.input.begin(), m.graph.input.end(),
                     [&](const onnx::ValueInfo& v) { return v.name == name; });
}
bool has_dim(const onnx::Model& m, const std::string& name) {
  for (const onnx::ValueInfo& v : m.graph.input)
    for (size_t d = 0; v.type && v.type->shape && d < v.type->shape->size(); ++d)
      if ((*v.type->shape)[d].param == name || v.name + "_d" + std::to_string(d) == name) return true;
  return false;
}

// Dimensions that nothing was said of become 1, which is often why a conversion fails: says so.
void print_open_dims(const std::vector<Source>& sources) {
  for (const Source& s : sources)
    for (const onnx::ValueInfo* v : graph_inputs(s.model)) {
      if (!v->type || !v->type->shape || s.import.shapes.contains(v->name) || s.import.bind.contains(v->name)) continue;
      for (size_t d = 0; d < v->type->shape->size(); ++d) {
        const onnx::Dimension& dim = (*v->type->shape)[d];
        if (dim.kind == onnx::Dimension::Kind::Value) continue;
        const std::string name = dim.param.empty() ? v->name + "_d" + std::to_string(d) : dim.param;
        if (!s.import.dims.contains(name))
          fmt::print(
              stderr,
              "note: dimension '{}' of input '{}' was taken as 1; give it with --shape {}=... or --dim {}=1..64\n",
              name, v->name, v->name, name);
      }
    }
}

// Gives an option to every source that has the name; to the first when none has (the importer then says what there is).
template <class Has, class Set>
void give(std::vector<Source>& sources, const std::string& name, Has has, Set set) {
  bool given = false;
  for (Source& s : sources)
    if (has(s.model, name)) set(s), given = true;
  if (!given) set(sources.front());
}

// The declared type and shape of a graph input as a port, for reading a file that becomes its value.
HostTensor load_bound(const onnx::Model& m, const std::string& name, const std::string& file,
                      const std::string& image) {
  const auto info = std::find_if(m.graph.input.begin(), m.graph.input.end(),
                                 [&](const onnx::ValueInfo& v) { return v.name == name; });
  if (info == m.graph.input.end() || !info->type || is_generated(file)) {
    if (is_generated(file)) throw UsageError(fmt::format("--bind {}={}: a value needs a file", name, file));
    return read_tensor_file(file, image);
  }
  HostTensor t = read_tensor_file(file, image);
  PortInfo port;
  port.name = name;
  port.dtype = onnx::to_dtype(info->type->elem_type);
  if (!info->type->shape) return t;
  port.rank = static_cast<int>(std::min<size_t>(info->type->shape->size(), kMaxRank));
  for (int d = 0; d < port.rank; ++d) {
    const onnx::Dimension& dim = (*info->type->shape)[static_cast<size_t>(d)];
    const bool fixed = dim.kind == onnx::Dimension::Kind::Value;
    port.bounds[d] = fixed ? dim.value : int64_t{1} << 40;
    port.symbols[d] = fixed ? -1 : -2;
  }
  return fit_tensor(std::move(t), port, file);
}

void apply_options(const Args& a, std::vector<Source>& sources) {
  for (const std::string& text : a.shapes) {
    const auto [name, shape] = parse_shape(text);
    give(sources, name, has_input, [&, n = name, sh = shape](Source& s) { s.import.shapes[n] = sh; });
  }
  for (const std::string& text : a.dims) {
    const auto [name, range] = parse_dim(text);
    give(sources, name, has_dim, [&, n = name, r = range](Source& s) { s.import.dims[n] = r; });
  }
  for (const std::string& text : a.binds) {
    const auto [name, file] = split_pair(text, "--bind");
    give(sources, name, has_input,
         [&, n = name, f = file](Source& s) { s.import.bind[n] = to_constant(load_bound(s.model, n, f, a.image)); });
  }
}

// The value is the contents of the file of that name, or, when there is none, the text itself. Labels are always a
// file.
std::pair<std::string, std::string> metadata_of(const std::string& text) {
  const auto [key, value] = split_pair(text, "--meta");
  std::error_code ignored;
  if (key == "labels" || std::filesystem::is_regular_file(io::path_of(value), ignored)) {
    io::Limits limits;
    limits.max_file_bytes = uint64_t{16} << 20;
    const io::Bytes bytes = io::read_file(value, limits);
    return {key, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
  }
  return {key, value};
}

// --- report

std::map<std::string, int> count_ops(const std::vector<onnx::Node>& nodes) {
  std::map<std::string, int> counts;
  for (const onnx::Node& n : nodes)
    ++counts[(n.domain.empty() || n.domain == "ai.onnx" ? "" : n.domain + ".") + n.op_type];
  return counts;
}

uint16_t kernel_rank(const Tables& tables, const char* name) {
  for (int i = 0; i < tables.kernel_table_count; ++i)
    for (const Kernel* k : tables.kernels[i])
      if (std::string_view(k->name) == name) return k->rank;
  return 0;
}

// Kernels, memory plan and what a person could still improve, for this machine.
Json entry_report(Model& model, int entry, const Tables& tables) {
  const Program& program = model.program();
  const std::string name(program.entry_name(entry));
  const std::vector<NodeInfo> nodes = list_nodes(program, entry);
  Json e{{"name", name}, {"nodes", nodes.size()}, {"macs", total_macs(nodes)}, {"ops", ops_json(nodes)}};
  Json left = Json::array();
  try {
    const Session& session = model.session(name);
    const MemoryNeeds needs = model.needs(name);
    e["memory_plan"] = memory_json(needs, program.bytes().size());
    e["memory_plan"]["activations_over_live"] =
        needs.max_live_bytes == 0
            ? 1.0
            : static_cast<double>(needs.activation_bytes) / static_cast<double>(needs.max_live_bytes);
    for (int i = 0; i < session.node_count(); ++i) {
      const NodeReport r = session.node(i);
      const bool reference = r.kernel[0] != '\0' && kernel_rank(tables, r.kernel) < 10;
      if (reference)
        left.push_back({{"node", nodes[static_cast<size_t>(i)].name},
                        {"op", r.op},
                        {"kernel", r.kernel},
                        {"why", r.refused[0] != '\0' ? fmt::format("reference kernel: {}", r.refused)
                                                     : "reference kernel: no tuned one"}});
      else if (std::string_view(r.op) == "transpose")
        left.push_back({{"node", nodes[static_cast<size_t>(i)].name},
                        {"op", r.op},
                        {"kernel", r.kernel},
                        {"why", "a transpose stayed"}});
    }
  } catch (const Exception& x) {
    e["memory_plan"] = nullptr;
    left.push_back({{"node", ""}, {"op", ""}, {"kernel", ""}, {"why", x.what()}});
  }
  e["left"] = left;
  return e;
}

Json make_report(const Args& a, const std::vector<Source>& sources, const ConvertReport& r, Model& model) {
  Json passes = Json::array(), fused = Json::array(), entries = Json::array(), inputs = Json::array();
  for (const PassResult& p : r.passes.passes) {
    passes.push_back({{"pass", p.pass},
                      {"changes", p.changes},
                      {"ops_before", p.nodes_before},
                      {"ops_after", p.nodes_after},
                      {"notes", p.notes}});
    for (const std::string& n : p.notes) fused.push_back({{"pass", p.pass}, {"what", n}});
  }
  for (const Source& s : sources) {
    Json ops = Json::object();
    for (const auto& [op, count] : count_ops(s.model.graph.node)) ops[op] = count;
    inputs.push_back({{"file", s.path},
                      {"entry", s.entry},
                      {"opset", s.model.opset()},
                      {"nodes", s.model.graph.node.size()},
                      {"ops", ops}});
  }
  const Tables tables = default_tables(!a.common.no_xnnpack);
  for (int e = 0; e < model.program().entry_count(); ++e) entries.push_back(entry_report(model, e, tables));
  return {{"output", a.output},
          {"file_bytes", model.program().bytes().size()},
          {"inputs", inputs},
          {"optimize", a.optimize},
          {"ops_before", r.passes.nodes_before},
          {"ops_after", r.passes.nodes_after},
          {"passes", passes},
          {"fused", fused},
          {"entries", entries},
          {"isa", isa_name(model.isa())},
          {"notes", r.notes}};
}

// --- --list-ops

std::map<std::string, std::set<int>> supported_ops() {
  std::map<std::string, std::set<int>> ops;
  for (const auto table : onnx::import_rows())
    for (const onnx::ImportRow& row : table)
      ops[(row.domain[0] == '\0' ? "" : std::string(row.domain) + ".") + row.op].insert(row.since);
  return ops;
}

// Without a model: what the importer knows. With models: what they use, and whether it is known.
int list_ops(const Args& a) {
  const auto known = supported_ops();
  Json list = Json::array();
  bool all = true;
  if (a.files.empty()) {
    for (const auto& [op, since] : known) list.push_back({{"op", op}, {"since", since}});
  } else {
    std::map<std::string, int> used;
    std::set<std::string> functions;
    for (const Source& s : read_sources(a)) {
      for (const onnx::Function& f : s.model.function)
        functions.insert((f.domain.empty() || f.domain == "ai.onnx" ? "" : f.domain + ".") + f.name);
      for (const auto& [op, count] : count_ops(s.model.graph.node)) used[op] += count;
    }
    for (const auto& [op, count] : used) {
      const bool ok = known.contains(op) || functions.contains(op);
      all = all && ok;
      list.push_back({{"op", op}, {"count", count}, {"supported", ok}});
    }
  }
  if (a.common.json) {
    fmt::print("{}\n", Json{{"ops", list}}.dump());
  } else {
    for (const Json& row : list) {
      if (row.contains("since"))
        fmt::print("{}  since opset {}\n", row["op"].get<std::string>(),
                   fmt::join(row["since"].get<std::vector<int>>(), ", "));
      else
        fmt::print("{:>5} {}{}\n", row["count"].get<int>(), row["op"].get<std::string>(),
                   row["supported"].get<bool>() ? "" : "  NOT SUPPORTED");
    }
    if (a.files.empty()) fmt::print("{} operators\n", list.size());
  }
  return all ? kOk : kUnsupported;
}

// --- conversion

void print_summary(const Args& a, const ConvertReport& r, const Program& program) {
  for (const std::string& note : r.notes) fmt::print(stderr, "note: {}\n", note);
  if (a.common.verbose)
    for (const PassResult& p : r.passes.passes)
      if (p.changes != 0)
        fmt::print(stderr, "  {:24} {:4} changes, {} -> {} ops\n", p.pass, p.changes, p.nodes_before, p.nodes_after);
  fmt::print("wrote {}: {}, {} ops (were {})\n", a.output, bytes_text(program.bytes().size()), r.passes.nodes_after,
             r.passes.nodes_before);
  for (int e = 0; e < program.entry_count(); ++e) {
    fmt::print("  entry '{}': {}", program.entry_name(e), ports_text(program, e));
    std::string outputs;
    for (int i = 0; i < program.output_count(e); ++i) {
      const PortInfo p = program.output(e, i);
      outputs +=
          fmt::format("{}{} ({} {})", i == 0 ? "" : ", ", p.name, dtype_name(p.dtype), port_shape_text(program, e, p));
    }
    fmt::print(" -> {}\n", outputs.empty() ? "none" : outputs);
  }
}

// Golden vectors come from the file itself, run with the portable kernels.
ModelOptions portable_options(const Args& a) {
  ModelOptions options = model_options(a.common);
  options.threads = 1;
  options.isa = Isa::Portable;
  options.xnnpack = false;
  return options;
}

// Sections that are asked for, from a model made with portable_options.
template <class Open>
std::vector<EmitSection> make_sections(const Args& a, Open open) {
  if (a.golden == 0) return {};
  Model plain = open(portable_options(a));
  return {{"golden", encode_golden(make_golden(plain, a.golden, a.common.seed, a.golden_inputs))}};
}

EmitSigner make_signer_of(const Args& a) { return a.sign.empty() ? EmitSigner() : signer_of(read_private_key(a.sign)); }

// Nothing is left behind, and an old file stays, when `write` throws.
void write_output(const Args& a, const std::function<void(const ByteSink&)>& write) {
  const std::filesystem::path folder = io::path_of(a.output).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder))
    throw Exception(Error::NotFound,
                    fmt::format("cannot write '{}': the folder '{}' does not exist", a.output, io::text_of(folder)));
  io::AtomicFileWriter file(a.output);
  write([&file](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

void write_model(ir::Model& model, const Args& a) {
  EmitOptions options;
  options.node_names = a.keep_node_names;
  options.sections = make_sections(a, [&](const ModelOptions& o) { return Model::from_bytes(emit(model, options), o); });
  options.signer = make_signer_of(a);
  write_output(a, [&](const ByteSink& sink) { emit(model, options, sink); });
}

bool ends_with(const std::string& path, const char* ending) {
  return io::path_of(path).extension() == ending;
}

// IN.gf -o OUT.gf --golden N --sign KEY: the same model with other sections. OUT.gf may be IN.gf.
int change_file(const Args& a) {
  if (a.files.size() != 1 || a.output.empty() || ends_with(a.output, ".onnx"))
    throw UsageError("--golden and --sign of a .gf take that one file and write a .gf (it may be the same): gf-convert IN.gf -o OUT.gf --golden N --sign KEY");
  if (!a.shapes.empty() || !a.dims.empty() || !a.binds.empty() || !a.states.empty() || !a.report.empty() || !a.meta.empty() || !a.entry.empty() || a.keep_node_names)
    throw UsageError("--golden and --sign leave a .gf as it is otherwise: --shape, --dim, --bind, --state, --meta, --entry, --report and --keep-node-names do not go with it");
  const std::string& from = a.files[0];
  std::vector<std::string> notes;
  {
    const Model old = open_model(from, model_options(a.common));
    const std::vector<EmitSection> sections = make_sections(a, [&](const ModelOptions& o) { return open_model(from, o); });
    const EmitSigner signer = make_signer_of(a);
    write_output(a, [&](const ByteSink& sink) { notes = change_sections(old.program(), sections, signer, sink); });
  }
  const Model written = open_model(a.output, model_options(a.common));
  if (!a.emit_c.empty()) emit_c(written.program().bytes(), a.emit_c, a.emit_target);
  const Json sections = sections_json(file_info(written.program()));
  const size_t bytes = written.program().bytes().size();
  if (a.common.json) {
    fmt::print("{}\n", Json{{"output", a.output}, {"file_bytes", bytes}, {"sections", sections}, {"notes", notes}}.dump(-1, ' ', false, Json::error_handler_t::replace));
    return kOk;
  }
  for (const std::string& n : notes) fmt::print(stderr, "note: {}\n", n);
  fmt::print("wrote {}: {}", a.output, bytes_text(bytes));
  for (const Json& s : sections) fmt::print(", {} ({})", s["kind"].get<std::string>(), bytes_text(s["bytes"].get<uint64_t>()));
  fmt::print("\n");
  return kOk;
}

// IN.gf -o OUT.onnx
int export_model(const Args& a) {
  if (a.files.size() != 1 || !ends_with(a.output, ".onnx"))
    throw UsageError("a .gf is converted alone, to ONNX: gf-convert IN.gf -o OUT.onnx; --golden N and --sign KEY make another .gf of it");
  if (!a.shapes.empty() || !a.dims.empty() || !a.binds.empty() || !a.states.empty() || !a.report.empty())
    throw UsageError("--shape, --dim, --bind, --state and --report are for models that come from ONNX");
  check_model_path(a.files[0]);
  ir::Model model = [&] {
    try {
      return read_gf(a.files[0]);
    } catch (const Exception& e) {
      throw Exception(e.code(), fmt::format("'{}': {}", a.files[0], e.what()));
    }
  }();
  if (a.entry.empty() && model.entries.size() > 1) {
    std::string names;
    for (const auto& e : model.entries) names += (names.empty() ? "" : ", ") + e->name;
    throw UsageError(fmt::format("an ONNX model is one entry; choose one with --entry (there are: {})", names));
  }
  for (const std::string& text : a.meta) {
    const auto [key, value] = metadata_of(text);
    std::erase_if(model.metadata, [&key = key](const auto& kv) { return kv.first == key; });
    model.metadata.emplace_back(key, value);
  }
  std::vector<std::string> notes;
  const std::vector<std::byte> bytes = export_onnx(model, {a.entry}, &notes);
  io::AtomicFileWriter file(a.output);
  file.write(bytes);
  file.commit();
  const onnx::Model written = onnx::read_model_file(io::path_of(a.output));
  std::map<std::string, int> ops = count_ops(written.graph.node);
  if (a.common.json) {
    fmt::print("{}\n", Json{{"output", a.output}, {"file_bytes", bytes.size()}, {"opset", written.opset()},
                            {"nodes", written.graph.node.size()}, {"ops", ops}, {"notes", notes}}
                           .dump(-1, ' ', false, Json::error_handler_t::replace));
    return kOk;
  }
  for (const std::string& n : notes) fmt::print(stderr, "note: {}\n", n);
  fmt::print("wrote {}: {}, {} nodes, opset {}\n", a.output, bytes_text(bytes.size()), written.graph.node.size(), written.opset());
  return kOk;
}

// IN.gf --emit-c FILE
int emit_existing(const Args& a) {
  if (a.files.size() != 1 || !a.output.empty())
    throw UsageError("--emit-c of a .gf takes that one file: gf-convert IN.gf --emit-c FILE.c");
  ModelOptions options = model_options(a.common);
  options.verify_data = true;
  const Model model = Model::load(a.files[0], options);
  emit_c(model.program().bytes(), a.emit_c, a.emit_target);
  if (!a.common.json) fmt::print("wrote {}: {} as '{}'\n", a.emit_c, bytes_text(model.program().bytes().size()), c_symbol(a.emit_c));
  return kOk;
}

int convert_models(Args& a) {
  if (a.list_ops) return list_ops(a);
  if (a.files.empty()) throw UsageError("give an ONNX file (or --list-ops)");
  if (!a.golden_inputs.empty() && a.golden == 0) throw UsageError("--golden-input goes with --golden N");
  if (ends_with(a.files[0], ".gf")) {
    if (a.golden > 0 || !a.sign.empty()) return change_file(a);
    if (a.emit_c.empty()) return export_model(a);
    return emit_existing(a);
  }
  if (ends_with(a.output, ".onnx"))
    throw UsageError(fmt::format("'{}' would be ONNX again; name a .gf with -o", a.output));
  std::vector<Source> sources = read_sources(a);
  apply_options(a, sources);
  if (a.output.empty()) a.output = io::text_of(io::path_of(sources.front().path).replace_extension(".gf"));
  ConvertOptions options;
  options.optimize = a.optimize;
  options.integers = a.integers;
  for (const std::string& text : a.states) options.states.push_back(split_pair(text, "--state"));
  for (const std::string& text : a.meta) options.metadata.push_back(metadata_of(text));
  std::vector<onnx::ExternalData> external;
  external.reserve(sources.size());
  std::vector<ConvertSource> list;
  for (Source& s : sources) {
    external.emplace_back(io::path_of(s.path).parent_path());
    list.push_back({&s.model, &external.back(), s.import});
  }
  ConvertReport report;
  ir::Model model = [&] {
    try {
      return convert(std::move(list), options, make_evaluator(default_tables(false)), &report);
    } catch (const Exception&) {
      print_open_dims(sources);
      throw;
    }
  }();
  write_model(model, a);
  ModelOptions open = model_options(a.common);
  Model written = Model::load(a.output, open);
  if (!a.emit_c.empty()) emit_c(written.program().bytes(), a.emit_c, a.emit_target);
  const bool wants_report = a.common.json || !a.report.empty();
  const Json j = wants_report ? make_report(a, sources, report, written) : Json();
  if (!a.report.empty()) io::write_file(a.report, j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (a.common.json)
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    print_summary(a, report, written.program());
  return kOk;
}

void define(CLI::App& app, Args& a) {
  add_common(app, a.common, 1);
  app.add_option("models", a.files, "IN.onnx, and further entries as NAME=IN2.onnx; or IN.gf with -o OUT.onnx, or with --golden, --sign");
  app.add_option("-o,--output", a.output, "File to write (default for IN.onnx: IN.gf)");
  app.add_option("--shape", a.shapes, "NAME=1x3x224x224: fix the shape of an input")->allow_extra_args(false);
  app.add_option("--dim", a.dims, "N=1..64 or N=8: bounds of a named dimension")->allow_extra_args(false);
  app.add_option("--bind", a.binds, "NAME=FILE: make an input a constant")->allow_extra_args(false);
  app.add_option("--image", a.image, "How a picture given to --bind becomes numbers");
  app.add_option("--entry", a.entry, "Name of the first entry point (default: main); from a .gf: the entry to write");
  app.add_option("--state", a.states, "OUT=IN: output OUT feeds input IN of the next run")->allow_extra_args(false);
  app.add_option("--meta", a.meta,
                 "KEY=FILE or KEY=TEXT: metadata, such as labels=labels.txt or image=nchw,scale=1/255")
      ->allow_extra_args(false);
  app.add_option("--storage", a.storage, "How weights are stored")
      ->capture_default_str()
      ->check([](const std::string& s) {
        if (s == "f32") return std::string();
        if (s == "f16" || s == "bf16")
          return "--storage " + s +
                 " comes with a later version; f32 is there (weights that are float16 in the model stay float16)";
        return "--storage is f32, f16 or bf16, not '" + s + "'";
      });
  app.add_flag("--keep-node-names", a.keep_node_names,
               "Keep names of nodes and tensors for gf-bench, gf-info and error texts");
  app.add_option("--report", a.report, "Write what every pass did, the memory plan and what was left to do (JSON)");
  app.add_option("--emit-c", a.emit_c,
                 "FILE.c or FILE.o: write the model as a C array or an object too, with FILE.h (also from IN.gf)");
  app.add_option("--emit-target", a.emit_target, "Machine of an object: x86-64, aarch64, riscv64, x86-32, arm (default: this one)")
      ->check(CLI::IsMember(object_targets()));
  app.add_flag("--list-ops", a.list_ops, "List the operators of the models, or all that are supported");
  app.add_option("-O", a.optimize,
                 "Optimisation: 0 only what is needed, 1 clean-ups, 2 fusions and layout, 3 slow searches too")
      ->capture_default_str()
      ->check(CLI::Range(0, 3));
  app.add_flag("--integers", a.integers,
               "Of a model with QuantizeLinear and DequantizeLinear: int8 weights stay int8, their products are computed in integers (from -O2 on)");
  app.add_option("--golden", a.golden, "Store N runs of every entry with their answers, for gf-run --verify-golden")
      ->check(CLI::Range(1, 1000));
  app.add_option("--golden-input", a.golden_inputs, "NAME=FILE: an input of those runs that shall not be random")
      ->allow_extra_args(false);
  app.add_option("--sign", a.sign, "Sign the file: an Ed25519 private key (PEM, as openssl genpkey writes it)");
  add_later(app, {{"--quantize", true, "quantisation"},
                  {"--calibrate", true, "quantisation"},
                  {"--precision", true, "choice of arithmetic"},
                  {"--pack", true, "weights packed ahead of time"}});
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool("gf-convert", "Converts ONNX models to .gf, and back",
                  "  gf-convert model.onnx -o model.gf --shape image=1x3x224x224 --meta labels=labels.txt\n"
                  "  gf-convert encoder.onnx decode=decoder.onnx -o both.gf --dim length=1..512\n"
                  "  gf-convert model.onnx -o model.gf --emit-c model.c\n"
                  "  gf-convert vad.onnx -o vad.gf --state new_state=state --report report.json\n"
                  "  gf-convert model.gf -o model.onnx\n"
                  "  gf-convert model.gf -o signed.gf --golden 3 --sign key.pem",
                  argc, argv, [&a](CLI::App& app) {
                    define(app, a);
                    return [&a]() -> int { return convert_models(a); };
                  });
}
