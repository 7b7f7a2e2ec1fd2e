#include "converter/convert.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "converter/onnx/export.h"
#include "graph/ir/builder.h"
#include "schema/ops/identity.h"

namespace gf {
namespace {

int state_index(ir::Model& model, const ir::Entry& entry, const ir::Value& v, const std::string& name) {
  ir::StateVar s;
  s.name = name;
  s.dtype = v.dtype;
  for (int d = 0; d < v.shape.rank; ++d) {
    if (!v.shape[d].is_const())
      throw Exception(Error::ShapeMismatch, "state '" + name + "' of entry '" + entry.name + "' has a dimension that varies (" + entry.symbols.to_text(v.shape[d]) + "); fix it with --shape");
    s.dims.push_back(v.shape[d].lo);
  }
  for (size_t i = 0; i < model.states.size(); ++i) {
    if (model.states[i].name != name) continue;
    if (model.states[i].dtype != s.dtype || model.states[i].dims != s.dims)
      throw Exception(Error::ShapeMismatch, "state '" + name + "' has different types or shapes in two entries");
    return static_cast<int>(i);
  }
  model.states.push_back(std::move(s));
  return static_cast<int>(model.states.size() - 1);
}

// Returns whether the entry has the pair.
bool bind_entry(ir::Model& model, ir::Entry& entry, const std::string& output, const std::string& input) {
  const auto named = [&](const std::string& name) { return [&entry, name](ir::ValueId v) { return entry.value(v).name == name; }; };
  auto& inputs = entry.body.inputs;
  auto& outputs = entry.body.outputs;
  const auto in = std::find_if(inputs.begin(), inputs.end(), named(input));
  const auto out = std::find_if(outputs.begin(), outputs.end(), named(output));
  if (in == inputs.end() || out == outputs.end()) return false;
  ir::Value& from = entry.value(*in);
  const ir::Value& to = entry.value(*out);
  if (from.dtype != to.dtype) throw Exception(Error::TypeMismatch, "--state " + output + "=" + input + ": types differ (" + dtype_name(to.dtype) + ", " + dtype_name(from.dtype) + ")");
  bool same = from.shape.rank == to.shape.rank;
  for (int d = 0; same && d < from.shape.rank; ++d) same = from.shape[d].same(to.shape[d]);
  if (!same) throw Exception(Error::ShapeMismatch, "--state " + output + "=" + input + ": shapes differ");
  from.state = state_index(model, entry, from, input);
  ir::Builder b(entry, entry.body);
  b.set_origin("", "state '" + input + "'");
  ir::Node& write = b.node<op::Identity>({*out});
  write.writes_state = from.state;
  inputs.erase(in);
  outputs.erase(out);
  return true;
}

// "KEY=VALUE" lines of a metadata entry.
std::vector<std::pair<std::string, std::string>> recorded(const onnx::Model& model, const char* key) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const onnx::StringPair& p : model.metadata_props) {
    if (p.key != key) continue;
    std::istringstream lines(p.value);
    for (std::string line; std::getline(lines, line);)
      if (const size_t at = line.rfind('='); at != std::string::npos) out.emplace_back(line.substr(0, at), line.substr(at + 1));
  }
  return out;
}

// Bounds that the exporter wrote down, where the caller gives none.
void take_recorded_dims(ConvertSource& source) {
  for (const auto& [name, range] : recorded(*source.model, onnx::kDimsKey)) {
    int64_t low = 0, high = 0;
    const size_t dots = range.find("..");
    const char* end = range.data() + range.size();
    if (dots == std::string::npos || std::from_chars(range.data(), range.data() + dots, low).ptr != range.data() + dots ||
        std::from_chars(range.data() + dots + 2, end, high).ptr != end)
      continue;
    for (const onnx::ValueInfo& in : source.model->graph.input)  // not where --shape fixes it
      for (size_t d = 0; in.type && in.type->shape && d < in.type->shape->size(); ++d)
        if ((*in.type->shape)[d].param == name && !source.import.shapes.contains(in.name)) source.import.dims.emplace(name, std::pair(low, high));
  }
}

// Pairs that the exporter wrote down, for states that the caller does not speak of.
void bind_recorded_states(ir::Model& model, const onnx::Model& source, const ConvertOptions& options, const std::string& entry) {
  for (const auto& [output, input] : recorded(source, onnx::kStatesKey)) {
    const bool named = std::any_of(options.states.begin(), options.states.end(), [&, out = output, in = input](const auto& s) { return s.first == out || s.second == in; });
    if (!named) bind_entry(model, *model.find(entry), output, input);
  }
}

}  // namespace

void bind_state(ir::Model& model, const std::string& output, const std::string& input) {
  bool found = false;
  for (auto& e : model.entries) found = bind_entry(model, *e, output, input) || found;
  if (!found) throw Exception(Error::NotFound, "--state " + output + "=" + input + ": no entry has that output and that input");
}

ir::Model convert(std::vector<ConvertSource> sources, const ConvertOptions& options, const Evaluator& evaluator, ConvertReport* report) {
  const bool integers = options.integers && options.optimize >= 2;
  ir::Model model;
  model.producer = "GhostFlow " GF_VERSION;
  std::vector<std::string> notes;
  for (ConvertSource& s : sources) {
    take_recorded_dims(s);
    onnx::import_model(*s.model, s.import, integers ? keeping_int8(evaluator) : evaluator, s.external, model, &notes);
    bind_recorded_states(model, *s.model, options, s.import.entry);
    for (const onnx::StringPair& p : s.model->metadata_props) {
      if (p.key == onnx::kDimsKey || p.key == onnx::kStatesKey) continue;
      const auto known = std::find_if(model.metadata.begin(), model.metadata.end(), [&](const auto& kv) { return kv.first == p.key; });
      if (known == model.metadata.end()) model.metadata.emplace_back(p.key, p.value);
    }
  }
  for (const auto& [key, value] : options.metadata) {
    std::erase_if(model.metadata, [&key = key](const auto& kv) { return kv.first == key; });
    model.metadata.emplace_back(key, value);
  }
  for (const auto& [output, input] : options.states) bind_state(model, output, input);
  PassOptions passes;
  passes.level = options.optimize;
  passes.evaluator = evaluator;
  passes.integer_products = integers;
  PassReport pass_report = run_passes(model, passes);
  ir::check(model);
  if (report != nullptr) {
    report->notes = std::move(notes);
    report->passes = std::move(pass_report);
  }
  return model;
}

}  // namespace gf
