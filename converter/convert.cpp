#include "converter/convert.h"

#include <algorithm>

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

}  // namespace

void bind_state(ir::Model& model, const std::string& output, const std::string& input) {
  bool found = false;
  for (auto& e : model.entries) found = bind_entry(model, *e, output, input) || found;
  if (!found) throw Exception(Error::NotFound, "--state " + output + "=" + input + ": no entry has that output and that input");
}

ir::Model convert(std::vector<ConvertSource> sources, const ConvertOptions& options, const Evaluator& evaluator, ConvertReport* report) {
  ir::Model model;
  model.producer = "GhostFlow " GF_VERSION;
  std::vector<std::string> notes;
  for (ConvertSource& s : sources) {
    onnx::import_model(*s.model, s.import, evaluator, s.external, model, &notes);
    for (const onnx::StringPair& p : s.model->metadata_props) {
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
  PassReport pass_report = run_passes(model, passes);
  ir::check(model);
  if (report != nullptr) {
    report->notes = std::move(notes);
    report->passes = std::move(pass_report);
  }
  return model;
}

}  // namespace gf
