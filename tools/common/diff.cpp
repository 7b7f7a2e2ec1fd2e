#include "tools/common/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "converter/include/ghostflow/converter.h"
#include "io/npy.h"
#include "tools/common/compare.h"
#include "tools/common/inputs.h"

namespace gf::cli {
namespace {

namespace fs = std::filesystem;
using Named = std::vector<std::pair<std::string, HostTensor>>;

// --- the reference

class Reference {
 public:
  Reference(const std::string& path, const std::string& image) : path_(path) {
    if (!fs::exists(path)) throw Exception(Error::NotFound, fmt::format("there is no reference '{}'", path));
    if (!fs::is_directory(path)) {
      for (io::NamedArray& a : io::read_npz(path)) tensors_.emplace_back(std::move(a.name), std::move(a.array));
      return;
    }
    fs::path folder = path;
    if (fs::is_directory(folder / "test_data_set_0")) folder /= "test_data_set_0";
    static const std::set<std::string> kEndings{".npy", ".pb", ".csv", ".txt", ".png", ".jpg", ".wav"};
    std::vector<fs::path> files;
    for (const auto& e : fs::directory_iterator(folder))
      if (e.is_regular_file() && kEndings.contains(e.path().extension().string())) files.push_back(e.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& f : files) tensors_.emplace_back(f.stem().string(), read_tensor_file(f.string(), image));
    if (tensors_.empty())
      throw Exception(Error::NotFound, fmt::format("'{}' holds no tensor files (.npy, .pb, .csv, ...)", path));
  }

  /// By name, by name as a file name, or by position ("input_0") when `position` says which.
  const HostTensor* find(const std::string& name, const std::string& position = "") const {
    for (const std::string& wanted : {name, file_name(name), position})
      for (const auto& [have, tensor] : tensors_)
        if (!wanted.empty() && have == wanted) return &tensor;
    return nullptr;
  }
  std::string names() const {
    std::string list;
    for (const auto& [name, tensor] : tensors_) list += (list.empty() ? "" : ", ") + name;
    return list.size() > 300 ? list.substr(0, 300) + ", ..." : list;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Named tensors_;
};

// Files may lack what the model's value has: text has one dimension and float32, some tools drop or add axes of 1.
HostTensor adapt(HostTensor expected, const HostTensor& actual) {
  const auto squeezed = [](const std::vector<int64_t>& shape) {
    std::vector<int64_t> s;
    for (int64_t d : shape)
      if (d != 1) s.push_back(d);
    return s;
  };
  const bool flat = expected.shape.size() == 1 && expected.count() == actual.count();
  if (flat || squeezed(expected.shape) == squeezed(actual.shape)) expected.shape = actual.shape;
  if (expected.dtype == actual.dtype || !dtype_is_float(expected.dtype) || expected.shape != actual.shape)
    return expected;
  PortInfo port;
  port.name = "reference";
  port.dtype = actual.dtype;
  port.rank = static_cast<int>(actual.shape.size());
  for (int d = 0; d < port.rank; ++d) {
    port.bounds[d] = actual.shape[static_cast<size_t>(d)];
    port.symbols[d] = -1;
  }
  try {
    return fit_tensor(expected, port, "reference");
  } catch (const Exception&) {
    return expected;  // the comparison then says that the types differ
  }
}

const HostTensor& need_input(const Reference& reference, const std::string& name, size_t index) {
  const HostTensor* t = reference.find(name, fmt::format("input_{}", index));
  if (t == nullptr)
    throw Exception(Error::NotFound, fmt::format("the reference '{}' lacks input '{}' (it has: {})", reference.path(),
                                                 name, reference.names()));
  return *t;
}

onnx::ImportOptions import_options(const onnx::Model& model, const Reference& reference) {
  onnx::ImportOptions import;
  const auto inputs = graph_inputs(model);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const HostTensor& t = need_input(reference, inputs[i]->name, i);
    if (const auto shape = declared_shape(*inputs[i], t.shape, t.count())) import.shapes[inputs[i]->name] = *shape;
  }
  return import;
}

Named run_model(Model& model, const Reference& reference) {
  const Program& program = model.program();
  const int found = program.find_entry("main");
  const int entry = found >= 0 ? found : 0;
  Named inputs;
  for (int i = 0; i < program.input_count(entry); ++i) {
    const PortInfo port = program.input(entry, i);
    inputs.emplace_back(
        std::string(port.name),
        fit_tensor(need_input(reference, std::string(port.name), static_cast<size_t>(i)), port, reference.path()));
  }
  return run_named(model, inputs, program.entry_name(entry));
}

Json comparison_row(const HostTensor& actual, const HostTensor& expected, const DiffOptions& o) {
  const Comparison c = compare(actual, adapt(expected, actual), o.rtol, o.atol);
  return {{"equal", c.equal}, {"max_abs", c.max_abs}, {"max_rel", c.max_rel}, {"detail", c.detail}};
}

// --- one conversion of an ONNX model that is in memory

Model compile(const onnx::Model& model, const std::string& path, const onnx::ImportOptions& import, int optimize,
              const ModelOptions& run) {
  onnx::ExternalData external(fs::path(path).parent_path());
  ConvertOptions options;
  options.optimize = optimize;
  ir::Model ir = convert({{&model, &external, import}}, options, make_evaluator(default_tables(false)));
  return Model::from_bytes(emit(ir, {true}), run);
}

// The model with further values as outputs.
onnx::Model expose(const onnx::Model& model, const std::vector<std::string>& names) {
  onnx::Model m = model;
  for (const std::string& name : names) {
    onnx::ValueInfo v;
    v.name = name;
    m.graph.output.push_back(std::move(v));
  }
  return m;
}

bool is_graph_output(const onnx::Model& m, const std::string& name) {
  return std::any_of(m.graph.output.begin(), m.graph.output.end(),
                     [&](const onnx::ValueInfo& v) { return v.name == name; });
}

struct Layer {
  std::string node, op, value;
};

// Values that nodes of the main graph write, in order.
std::vector<Layer> layers_of(const onnx::Model& m) {
  std::vector<Layer> layers;
  for (const onnx::Node& n : m.graph.node)
    for (const std::string& out : n.output)
      if (!out.empty()) layers.push_back({n.name.empty() ? out : n.name, n.op_type, out});
  return layers;
}

const HostTensor* find(const Named& list, const std::string& name) {
  for (const auto& [have, t] : list)
    if (have == name) return &t;
  return nullptr;
}

class LayerReport {
 public:
  explicit LayerReport(const DiffOptions& o) : options_(o) {}
  void add(const Layer& layer, const HostTensor& actual, const HostTensor& expected) {
    Json row{{"node", layer.node}, {"op", layer.op}, {"output", layer.value}};
    row.update(comparison_row(actual, expected, options_));
    if (!row["equal"].get<bool>() && first_.is_null()) first_ = row;
    nodes_.push_back(std::move(row));
  }
  Json finish(const std::string& how) const {
    return {{"first_difference", first_}, {"nodes", nodes_}, {"reference", how}};
  }

 private:
  const DiffOptions& options_;
  Json first_ = nullptr;
  Json nodes_ = Json::array();
};

// The reference names intermediate values: one run at -O0 that shows them.
Json layers_given(const DiffOptions& o, const onnx::Model& model, const Reference& reference,
                  const onnx::ImportOptions& import, const std::vector<Layer>& layers,
                  const std::vector<std::string>& exposed) {
  Model m = compile(expose(model, exposed), o.model, import, 0, o.run);
  const Named got = run_model(m, reference);
  LayerReport report(o);
  for (const Layer& l : layers) {
    std::string position;
    for (size_t i = 0; i < model.graph.output.size(); ++i)
      if (model.graph.output[i].name == l.value) position = fmt::format("output_{}", i);
    const HostTensor* expected = reference.find(l.value, position);
    const HostTensor* actual = find(got, l.value);
    if (expected != nullptr && actual != nullptr) report.add(l, *actual, *expected);
  }
  return report.finish("given");
}

// It names none: portable kernels on the plain graph stand in, and the given outputs are compared at the end.
Json layers_own(const DiffOptions& o, const onnx::Model& model, const Reference& reference,
                const onnx::ImportOptions& import, const std::vector<Layer>& layers) {
  std::vector<std::string> exposed;
  for (const Layer& l : layers)
    if (!is_graph_output(model, l.value)) exposed.push_back(l.value);
  const onnx::Model shown = expose(model, exposed);
  ModelOptions portable = o.run;
  portable.isa = Isa::Portable;
  portable.xnnpack = false;
  Model plain = compile(shown, o.model, import, 0, portable), tuned = compile(shown, o.model, import, 0, o.run);
  Model optimised = compile(model, o.model, import, o.optimize, o.run);
  const Named expected = run_model(plain, reference), got = run_model(tuned, reference),
              final_got = run_model(optimised, reference);
  LayerReport report(o);
  for (const Layer& l : layers) {
    const HostTensor* want = find(expected, l.value);
    const HostTensor* have = find(got, l.value);
    if (want != nullptr && have != nullptr) report.add(l, *have, *want);
  }
  for (size_t i = 0; i < model.graph.output.size(); ++i) {
    const std::string& name = model.graph.output[i].name;
    const HostTensor* have = find(final_got, name);
    if (have == nullptr) continue;
    if (const HostTensor* want = find(expected, name))
      report.add({name, fmt::format("whole graph at -O{}", o.optimize), name}, *have, *want);
    if (const HostTensor* want = reference.find(name, fmt::format("output_{}", i)))
      report.add({name, "output against the given reference", name}, *have, *want);
  }
  return report.finish(
      "the reference holds no intermediate values: nodes are compared with portable kernels at -O0, outputs with the "
      "given ones too");
}

}  // namespace

Json diff_outputs(const DiffOptions& o) {
  const Reference reference(o.reference, o.image);
  check_model_path(o.model);
  std::optional<Model> model;
  if (is_onnx_path(o.model)) {
    const onnx::Model m = onnx::read_model_file(o.model);
    model = compile(m, o.model, import_options(m, reference), o.optimize, o.run);
  } else {
    model = open_model(o.model, o.run);
  }
  const Named got = run_model(*model, reference);
  Json rows = Json::array();
  bool passed = true;
  for (size_t i = 0; i < got.size(); ++i) {
    const HostTensor* expected = reference.find(got[i].first, fmt::format("output_{}", i));
    if (expected == nullptr) continue;
    Json row{{"name", got[i].first}};
    row.update(comparison_row(got[i].second, *expected, o));
    passed = passed && row["equal"].get<bool>();
    rows.push_back(std::move(row));
  }
  if (rows.empty())
    throw Exception(Error::NotFound, fmt::format("the reference '{}' holds no output of the model (it has: {})",
                                                 o.reference, reference.names()));
  return {{"passed", passed}, {"outputs", rows}, {"rtol", o.rtol}, {"atol", o.atol}};
}

Json diff_layers(const DiffOptions& o) {
  if (!is_onnx_path(o.model))
    throw UsageError("--layers needs the .onnx file: a .gf keeps no values between its fused nodes");
  check_model_path(o.model);
  const Reference reference(o.reference, o.image);
  const onnx::Model model = onnx::read_model_file(o.model);
  const std::vector<Layer> layers = layers_of(model);
  const onnx::ImportOptions import = import_options(model, reference);
  std::vector<std::string> exposed;
  for (const Layer& l : layers)
    if (!is_graph_output(model, l.value) && reference.find(l.value) != nullptr) exposed.push_back(l.value);
  return exposed.empty() ? layers_own(o, model, reference, import, layers)
                         : layers_given(o, model, reference, import, layers, exposed);
}

}  // namespace gf::cli
