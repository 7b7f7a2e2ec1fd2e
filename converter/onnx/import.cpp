#include "converter/onnx/import.h"

#include <algorithm>

#include "converter/onnx/import_scope.h"
#include "converter/onnx/model_check.h"
#include "converter/onnx/tensor_data.h"

namespace gf::onnx {
namespace {

std::string report_text(const std::vector<Unsupported>& list) {
  std::string text = std::to_string(list.size()) + (list.size() == 1 ? " node is not supported:" : " nodes are not supported:");
  for (const Unsupported& u : list) {
    text += "\n  " + u.op + " (opset " + std::to_string(u.opset) + ") in node '" + u.node + "': " + u.reason;
    if (!u.alternative.empty()) text += "; " + u.alternative;
  }
  return text;
}

class Importer {
 public:
  Importer(const Model& model, const ImportOptions& options, ImportState& state, std::vector<std::string>* notes)
      : model_(model), options_(options), state_(state), scope_(state, nullptr), notes_(notes) {}

  void run() {
    check_versions(model_);
    check_names(model_);
    scope_.set_opsets(model_.opset_import);
    for (const Tensor& t : model_.graph.initializer) scope_.add_initializer(t);
    for (const SparseTensor& s : model_.graph.sparse_initializer) {
      Tensor dense = densify_initializer(s);
      scope_.own_initializer(std::move(dense));
    }
    for (const ValueInfo& in : model_.graph.input) define_input(in);
    check_options();
    scope_.lower_nodes(model_.graph.node, state_.entry->body);
    define_outputs();
    if (!state_.unsupported.empty()) throw ImportError(std::move(state_.unsupported));
  }

 private:
  Tensor densify_initializer(const SparseTensor& s) {
    Tensor dense = densify(s, state_.external);
    dense.name = s.values.name;
    return dense;
  }

  bool is_initializer(const std::string& name) const {
    return std::any_of(model_.graph.initializer.begin(), model_.graph.initializer.end(), [&](const Tensor& t) { return t.name == name; });
  }

  void note(const std::string& text) {
    if (notes_ != nullptr && std::find(notes_->begin(), notes_->end(), text) == notes_->end()) notes_->push_back(text);
  }

  void define_input(const ValueInfo& in) {
    if (const auto bound = options_.bind.find(in.name); bound != options_.bind.end()) {
      scope_.define(in.name, state_.entry->add_constant(bound->second, in.name));
      return;
    }
    if (is_initializer(in.name)) return;  // before IR version 4 every initializer is listed as an input too
    const auto refuse = [&](const std::string& why) {
      state_.unsupported.push_back({printable(in.name), "graph input", model_.opset(), why, ""});
      scope_.poison(in.name);
    };
    if (!in.type || in.type->kind == Type::Kind::None) return refuse("the input has no type");
    if (in.type->kind != Type::Kind::Tensor) return refuse("inputs that are sequences, optionals, maps or sparse tensors are not supported");
    const DType dtype = to_dtype(in.type->elem_type);
    if (dtype == DType::Invalid || dtype == DType::String) return refuse(std::string("inputs of type ") + tensor_type_name(in.type->elem_type) + " are not supported");
    DimShape shape;
    if (!input_shape(in, shape)) return refuse("the rank of the input is not known; give its shape with --shape " + in.name + "=...");
    scope_.define(in.name, state_.entry->add_input(in.name, dtype, shape));
  }

  bool input_shape(const ValueInfo& in, DimShape& shape) {
    if (const auto given = options_.shapes.find(in.name); given != options_.shapes.end()) {
      if (given->second.size() > kMaxRank) throw Exception(Error::LimitExceeded, "input '" + in.name + "': rank over " + std::to_string(kMaxRank));
      if (in.type->shape && in.type->shape->size() != given->second.size())
        throw Exception(Error::ShapeMismatch, "--shape for '" + in.name + "' has " + std::to_string(given->second.size()) + " dimensions, the model has " + std::to_string(in.type->shape->size()));
      for (size_t d = 0; d < given->second.size(); ++d) {
        if (in.type->shape && (*in.type->shape)[d].kind == Dimension::Kind::Value && (*in.type->shape)[d].value != given->second[d])
          throw Exception(Error::ShapeMismatch, "--shape for '" + in.name + "' gives dimension " + std::to_string(d) + " as " + std::to_string(given->second[d]) + ", the model fixes it at " + std::to_string((*in.type->shape)[d].value));
        if (given->second[d] < 0) throw Exception(Error::InvalidArgument, "--shape for '" + in.name + "' has a negative dimension");
        shape.push(given->second[d]);
      }
      return true;
    }
    if (!in.type->shape) return false;
    if (in.type->shape->size() > kMaxRank) throw Exception(Error::LimitExceeded, "input '" + printable(in.name) + "' has rank " + std::to_string(in.type->shape->size()) + "; at most " + std::to_string(kMaxRank) + " is supported");
    for (size_t d = 0; d < in.type->shape->size(); ++d) {
      const Dimension& dim = (*in.type->shape)[d];
      if (dim.kind == Dimension::Kind::Value) {
        if (dim.value < 0) throw Exception(Error::BadGraph, "input '" + printable(in.name) + "' declares a negative dimension");
        shape.push(dim.value);
        continue;
      }
      const std::string name = dim.kind == Dimension::Kind::Param && !dim.param.empty() ? dim.param : in.name + "_d" + std::to_string(d);
      const auto bounds = options_.dims.find(name);
      if (bounds == options_.dims.end()) {
        note("dimension '" + printable(name) + "' is fixed at 1; to let it vary, give its bounds: --dim " + printable(name) + "=1..64");
        shape.push(1);
        continue;
      }
      const Dim symbol = state_.entry->symbols.symbol(name, bounds->second.first, bounds->second.second);
      const int index = state_.entry->symbols.symbol_index(symbol);
      if (index >= 0) state_.entry->symbols.mark_input(index);
      shape.push(symbol);
    }
    return true;
  }

  // A misspelt option must not be silently without effect.
  void check_options() const {
    const auto has_input = [&](const std::string& name) { return std::any_of(model_.graph.input.begin(), model_.graph.input.end(), [&](const ValueInfo& v) { return v.name == name; }); };
    const auto names = [&] {
      std::string list;
      for (const ValueInfo& v : model_.graph.input)
        if (!is_initializer(v.name)) list += (list.empty() ? "" : ", ") + printable(v.name);
      return list;
    };
    for (const auto& [name, shape] : options_.shapes)
      if (!has_input(name)) throw Exception(Error::NotFound, "--shape names '" + printable(name) + "', which is not an input (there are: " + names() + ")");
    for (const auto& [name, value] : options_.bind)
      if (!has_input(name)) throw Exception(Error::NotFound, "--bind names '" + printable(name) + "', which is not an input (there are: " + names() + ")");
    for (const auto& [name, bounds] : options_.dims) {
      bool found = false;
      for (const ValueInfo& v : model_.graph.input) {
        if (!v.type || !v.type->shape) continue;
        for (size_t d = 0; d < v.type->shape->size(); ++d)
          found = found || (*v.type->shape)[d].param == name || v.name + "_d" + std::to_string(d) == name;
      }
      if (!found) throw Exception(Error::NotFound, "--dim names '" + printable(name) + "', which no input has as a dimension");
      if (bounds.first < 0 || bounds.second < bounds.first) throw Exception(Error::InvalidArgument, "--dim " + name + ": the interval is empty or negative");
    }
  }

  void define_outputs() {
    ir::Entry& e = *state_.entry;
    for (const ValueInfo& out : model_.graph.output) {
      if (scope_.is_poisoned(out.name)) continue;
      const ir::ValueId v = scope_.find(out.name);
      if (v == ir::kNoValue) throw Exception(Error::BadGraph, "graph output '" + printable(out.name) + "' is not written by any node");
      if (out.type && out.type->kind == Type::Kind::Tensor && to_dtype(out.type->elem_type) != DType::Invalid && to_dtype(out.type->elem_type) != e.value(v).dtype)
        throw Exception(Error::TypeMismatch, "graph output '" + printable(out.name) + "' is declared " + tensor_type_name(out.type->elem_type) + " but computed as " + dtype_name(e.value(v).dtype));
      e.body.outputs.push_back(v);
      output_names_.push_back(out.name);
    }
    name_outputs();
  }

  // Outputs keep the model's names, also when two of them are one value or an input.
  void name_outputs() {
    ir::Entry& e = *state_.entry;
    for (size_t i = 0; i < e.body.outputs.size(); ++i) {
      ir::ValueId& v = e.body.outputs[i];
      const bool shared = std::count(e.body.outputs.begin(), e.body.outputs.end(), v) > 1 || std::find(e.body.inputs.begin(), e.body.inputs.end(), v) != e.body.inputs.end() || e.value(v).is_constant();
      if (shared) {
        ir::Builder b(e, e.body);
        b.set_origin("", "output '" + printable(output_names_[i]) + "'");
        v = b.add<op::Identity>({v});
      }
      e.value(v).name = output_names_[i];
    }
  }

  const Model& model_;
  const ImportOptions& options_;
  ImportState& state_;
  ImportScope scope_;
  std::vector<std::string>* notes_;
  std::vector<std::string> output_names_;
};

}  // namespace

ImportError::ImportError(std::vector<Unsupported> list) : Exception(Error::Unsupported, report_text(list)), list_(std::move(list)) {}

void import_model(const Model& model, const ImportOptions& options, const Evaluator& evaluator, ExternalData* external,
                  ir::Model& target, std::vector<std::string>* notes) {
  if (target.find(options.entry) != nullptr) throw Exception(Error::InvalidArgument, "two entries are called '" + options.entry + "'");
  auto entry = std::make_unique<ir::Entry>();
  entry->name = options.entry;
  ImportState state;
  state.model = &model;
  state.target = &target;
  state.entry = entry.get();
  state.evaluator = evaluator;
  state.external = external;
  state.custom_ops = options.custom_ops;
  Importer(model, options, state, notes).run();
  target.entries.push_back(std::move(entry));
}

}  // namespace gf::onnx
