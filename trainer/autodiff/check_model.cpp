#include "trainer/autodiff/check_model.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/emit/emit.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/autodiff/float64.h"
#include "trainer/autodiff/uniform.h"

namespace gf {
namespace {

using Kind = ModelCheckReport::Kind;
using ir::ValueId;

class ModelCheck {
 public:
  ModelCheck(ir::Model& model, const ModelCheckOptions& options) : model_(model), options_(options), random_(options.how.seed) {
    ir::Entry* entry = model.find(options.entry);
    if (entry == nullptr) throw Exception(Error::NotFound, "the model has no entry '" + options.entry + "'");
    std::erase_if(model.entries, [&](const auto& e) { return e.get() != entry; });
    entry_ = entry;
  }

  ModelCheckReport run() {
    refuse_random(entry_->body);
    to_float64(model_);
    read_sizes();
    for (const ValueId v : entry_->body.inputs) add_input(v);
    take_states();
    if (options_.weights) take_weights();
    for (const auto& given : options_.inputs)
      if (std::none_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first == given.first; }))
        throw Exception(Error::NotFound, "entry '" + options_.entry + "' has no input '" + given.first + "'");
    const std::vector<std::byte> file = emit(model_);
    ModelCheckReport report;
    report.all = check(file, names());
    if (report.all.ok && !options_.each) return report;
    for (ModelCheckReport::Tensor& t : tensors_) t.report = check(file, {t.name});
    report.tensors = std::move(tensors_);
    return report;
  }

 private:
  void refuse_random(const ir::Block& block) const {
    for (const auto& n : block.nodes) {
      if ((n->def->info.flags & kOpRandom) != 0)
        throw Exception(Error::Unsupported, (n->origin.empty() ? n->name : n->origin) + ": " + n->def->info.name +
                                                " draws other numbers in each run, so differences mean nothing; check the model without it");
      for (const ir::Block& inner : n->blocks) refuse_random(inner);
    }
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& t : tensors_) all.push_back(t.name);
    return all;
  }

  GradcheckReport check(const std::vector<std::byte>& file, std::vector<std::string> by) const {
    GradcheckOptions how = options_.how;
    how.entry = options_.entry;
    how.inputs = std::move(by);
    return gradcheck(file, values_, how);
  }

  // Sizes: those of the values given for other inputs, else the least.
  std::vector<int64_t> dims_of(const ir::Value& v) {
    std::vector<int64_t> dims;
    for (int d = 0; d < v.shape.rank; ++d) {
      const int32_t symbol = v.shape[d].is_const() ? -1 : entry_->symbols.symbol_index(v.shape[d]);
      const auto known = symbol < 0 ? sizes_.end() : sizes_.find(symbol);
      dims.push_back(known != sizes_.end() ? known->second : std::max<int64_t>(v.shape[d].lo, v.shape[d].is_const() ? 0 : 1));
    }
    return dims;
  }

  void read_sizes() {
    for (const ValueId id : entry_->body.inputs) {
      const ir::Value& v = entry_->value(id);
      for (const auto& [name, array] : options_.inputs) {
        if (name != v.name || array.shape.size() != static_cast<size_t>(v.shape.rank)) continue;
        for (int d = 0; d < v.shape.rank; ++d)
          if (const int32_t symbol = entry_->symbols.symbol_index(v.shape[d]); symbol >= 0) sizes_[symbol] = array.shape[static_cast<size_t>(d)];
      }
    }
  }

  void add_input(ValueId id) {
    const ir::Value& v = entry_->value(id);
    const auto given = std::find_if(options_.inputs.begin(), options_.inputs.end(), [&](const auto& p) { return p.first == v.name; });
    if (given != options_.inputs.end()) {
      io::Array a = given->second;
      if (dtype_is_float(a.dtype) && v.dtype == DType::F64) a = io::Array::from(a.as<double>(), a.shape);
      add(v.name, Kind::Input, std::move(a));
    } else if (v.dtype == DType::F64) {
      const std::vector<int64_t> dims = dims_of(v);
      const int64_t n = io::element_count(dims, v.name.c_str());
      add(v.name, Kind::Input, io::Array::from(random_.vector(static_cast<size_t>(n)), dims));
    } else {
      throw Exception(Error::NotFound, "input '" + v.name + "' is " + dtype_name(v.dtype) + ": the check needs a value for it");
    }
  }

  void add(const std::string& name, Kind kind, io::Array array) {
    if (array.dtype == DType::F64) tensors_.push_back({name, kind, array.shape, {}});
    values_.emplace_back(name, std::move(array));
  }

  // Every run starts from the same State: it is read from inputs and written nowhere.
  void take_states() {
    for (size_t i = 0; i < entry_->value_count(); ++i) {
      ir::Value& v = entry_->value(static_cast<ValueId>(i));
      if (v.state < 0) continue;
      const ir::StateVar& s = model_.states[static_cast<size_t>(v.state)];
      io::Array a = io::Array::zeros(s.dtype, s.dims);
      if (s.initial != nullptr) a = io::Array::from_bytes(s.dtype, s.dims, s.initial->dense());
      v.state = -1;
      become_input(static_cast<ValueId>(i), unused(s.name), Kind::State, std::move(a));
    }
    for (auto& n : entry_->body.nodes) n->writes_state = -1;
    model_.states.clear();
  }

  void take_weights() {
    std::set<ValueId> read;
    for (const auto& n : entry_->body.nodes)
      for (const ValueId id : n->inputs) {
        if (id == ir::kNoValue || !read.insert(id).second) continue;
        ir::Value& v = entry_->value(id);
        if (!v.is_constant() || v.dtype != DType::F64 || v.shape.rank == 0 || v.constant->count() == 0) continue;
        if (!has_gradient_by(*n, id)) continue;  // class weights
        io::Array a = io::Array::from_bytes(DType::F64, v.constant->dims, v.constant->dense());
        v.constant = nullptr;
        become_input(id, unused(v.name.empty() ? "constant of " + (n->name.empty() ? std::string(n->def->info.name) : n->name) : v.name),
                     Kind::Weight, std::move(a));
      }
  }

  // Asks the rule, on the node alone.
  bool has_gradient_by(const ir::Node& node, ValueId id) const {
    if (!node.blocks.empty()) return false;
    ir::Entry alone;
    alone.symbols = entry_->symbols;
    auto n = std::make_unique<ir::Node>();
    n->def = node.def;
    n->attrs = node.attrs;
    ValueId wrt = ir::kNoValue;
    for (const ValueId in : node.inputs) {
      n->inputs.push_back(in == ir::kNoValue ? in : alone.add_value(entry_->value(in)));
      if (in == id) wrt = n->inputs.back();
    }
    alone.value(wrt).constant = nullptr;
    for (const ValueId out : node.outputs) n->outputs.push_back(out == ir::kNoValue ? out : alone.add_value(entry_->value(out)));
    const ValueId of = n->outputs[0];
    alone.body.nodes.push_back(std::move(n));
    if (of == ir::kNoValue || entry_->value(node.outputs[0]).dtype != DType::F64) return true;  // what is asked of it is found out later
    try {
      const ValueId g = gradients(alone, {{of}}, {}, {{wrt}})[0];
      return g != ir::kNoValue && !alone.value(g).is_constant();
    } catch (const Exception& e) {
      return e.code() != Error::Unsupported;
    }
  }

  std::string unused(std::string name) const {
    const auto taken = [&](const std::string& n) {
      return std::any_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first == n; }) ||
             std::any_of(entry_->body.outputs.begin(), entry_->body.outputs.end(), [&](ValueId v) { return entry_->value(v).name == n; });
    };
    const std::string stem = name;
    for (int k = 2; taken(name); ++k) name = stem + "#" + std::to_string(k);
    return name;
  }

  void become_input(ValueId id, const std::string& name, Kind kind, io::Array array) {
    ir::Value& v = entry_->value(id);
    v.name = name;
    v.values_known = false;
    v.values.clear();
    entry_->body.inputs.push_back(id);
    add(name, kind, std::move(array));
  }

  ir::Model& model_;
  const ModelCheckOptions& options_;
  ir::Entry* entry_ = nullptr;
  std::map<int32_t, int64_t> sizes_;
  NamedArrays values_;
  std::vector<ModelCheckReport::Tensor> tensors_;
  Uniform random_;
};

}  // namespace

const char* kind_name(Kind kind) { return kind == Kind::Input ? "input" : kind == Kind::Weight ? "weight" : "state"; }

ModelCheckReport check_model(ir::Model& model, const ModelCheckOptions& options) { return ModelCheck(model, options).run(); }

}  // namespace gf
