#include "trainer/tensor/trace.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/ir/builder.h"
#include "schema/ops/identity.h"
#include "trainer/autodiff/recorded.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/append.h"
#include "trainer/tensor/recording.h"

namespace gf {
namespace {

using lazy::Content;
using lazy::ContentPtr;
using lazy::Node;

// A Function whose gradient was not traced: an identity to everybody but autodiff, which says what is missing.
const OpDef kUntraced = [] {
  OpDef d = op_def<op::Identity>;
  d.gradient = "rule";
  return d;
}();

class Tracer {
 public:
  Tracer(ir::Model& model, ir::Entry& entry) : model_(model), entry_(entry) {}

  void add_input(const std::string& name, const Tensor& t) {
    const Content& c = *t.variable().content;
    remember(name, c, entry_.add_input(name, c.dtype, shape_of(c)));
  }
  /// As State, or as a constant.
  void add_state(const std::string& name, const ContentPtr& c, bool frozen = false) {
    const io::Array& now = lazy::host(c);
    if (frozen) {
      remember(name, *c, entry_.add_constant(ir::make_constant(c->dtype, c->shape, now.data), name));
      return;
    }
    ir::Value v;
    v.name = name;
    v.dtype = c->dtype;
    v.shape = shape_of(*c);
    v.shape_known = true;
    v.state = static_cast<int32_t>(model_.states.size());
    model_.states.push_back({name, c->dtype, c->shape, ir::make_constant(c->dtype, c->shape, now.data)});
    remember(name, *c, entry_.add_value(std::move(v)));
  }
  void add_output(const std::string& name, const Tensor& t) {
    ir::Builder b(entry_, entry_.body);
    const ir::ValueId v = b.add<op::Identity>({value_of(t.variable().content)});
    entry_.value(v).name = name;
    entry_.body.outputs.push_back(v);
  }
  /// The State of that name is `next` after the run.
  void add_write(const std::string& name, const ContentPtr& next) {
    const auto same = [&](const ir::StateVar& s) { return s.name == name; };
    const auto at = std::find_if(model_.states.begin(), model_.states.end(), same) - model_.states.begin();
    ir::Builder b(entry_, entry_.body);
    b.set_origin("", "new value of '" + name + "'");
    b.node<op::Identity>({value_of(next)}).writes_state = static_cast<int32_t>(at);
  }
  /// Nodes in the order in which they were recorded.
  void add_nodes(const std::vector<ContentPtr>& results) {
    for (const ContentPtr& c : results) gather(c);
    trains_ = std::any_of(results.begin(), results.end(), [](const ContentPtr& c) { return c->history; });
    std::sort(nodes_.begin(), nodes_.end(), [](const Node* a, const Node* b) { return a->number < b->number; });
    for (const Node* n : nodes_) add(*n);
    if (has_gradients_) attach_detached(entry_);
  }

 private:
  static DimShape shape_of(const Content& c) {
    DimShape shape;
    for (const int64_t d : c.shape) shape.push(d);
    return shape;
  }
  void remember(const std::string& name, const Content& c, ir::ValueId v) {
    if (!names_.insert(name).second) throw Exception(Error::InvalidArgument, "trace: the name '" + name + "' is given twice");
    if (!values_.emplace(&c, v).second) throw Exception(Error::InvalidArgument, "trace: '" + name + "' is given twice");
  }
  void gather(const ContentPtr& c) {
    if (c == nullptr || values_.contains(c.get()) || c->node == nullptr || !seen_.insert(c->node.get()).second) return;
    const Node& n = *c->node;
    if (n.kind == Node::Kind::Update) throw Exception(Error::InvalidArgument, "trace: an output depends on a step that has not been computed; look at it first");
    has_gradients_ = has_gradients_ || n.kind == Node::Kind::Gradient;
    nodes_.push_back(&n);
    const size_t read = n.kind == Node::Kind::Function ? n.call->outputs : n.inputs.size();
    for (size_t k = 0; k < read; ++k) gather(n.inputs[k]);
  }
  ir::ValueId value_of(const ContentPtr& c) {
    if (c == nullptr) return ir::kNoValue;
    if (const auto it = values_.find(c.get()); it != values_.end()) return it->second;
    if (c->node != nullptr)
      if (const auto it = results_.find({c->node.get(), c->output}); it != results_.end()) return it->second;
    const io::Array& now = lazy::host(c);
    return values_[c.get()] = entry_.add_constant(ir::make_constant(c->dtype, c->shape, now.data));
  }
  // Where a recording without gradients is read by one with them.
  ir::ValueId input_of(const Node& n, const ContentPtr& c) {
    const ir::ValueId v = value_of(c);
    const bool computed = c != nullptr && c->node != nullptr && !values_.contains(c.get());
    return computed && c->node->cut && !n.cut && trains_ ? lazy::append_detached(entry_, v) : v;
  }
  void add(const Node& n) {
    std::vector<ir::ValueId> out;
    if (n.kind == Node::Kind::Function) {
      for (size_t k = 0; k < n.call->outputs; ++k) out.push_back(function_result(n, value_of(n.inputs[k])));
    } else {
      std::vector<ir::ValueId> inputs;
      for (const ContentPtr& c : n.inputs) inputs.push_back(input_of(n, c));
      out = n.kind == Node::Kind::Gradient ? lazy::append_gradients(entry_, n, inputs) : lazy::append_op(entry_, n, std::move(inputs));
    }
    for (size_t k = 0; k < out.size(); ++k) results_[{&n, k}] = out[k];
  }
  ir::ValueId function_result(const Node& n, ir::ValueId v) {
    ir::Builder b(entry_, entry_.body);
    b.set_origin("", "Function '" + n.call->name + "', whose gradient was not traced (TraceOptions::gradients)");
    const int none = 0;
    return b.add_node(has_gradients_ || !trains_ ? op_def<op::Identity> : kUntraced, {v}, &none).outputs[0];
  }

  ir::Model& model_;
  ir::Entry& entry_;
  std::set<std::string> names_;
  std::map<const Content*, ir::ValueId> values_;
  std::map<std::pair<const Node*, size_t>, ir::ValueId> results_;
  std::set<const Node*> seen_;
  std::vector<const Node*> nodes_;
  bool trains_ = false, has_gradients_ = false;
};

std::vector<ContentPtr> contents_of(const NamedTensors& tensors) {
  std::vector<ContentPtr> contents;
  for (const auto& [name, t] : tensors) contents.push_back(t.variable().content);
  return contents;
}

// The contents of tensors as they were, whatever is recorded meanwhile.
class Restore {
 public:
  explicit Restore(const NamedTensors& tensors) : tensors_(tensors), before_(contents_of(tensors)) {}
  ~Restore() {
    for (size_t i = 0; i < before_.size(); ++i) tensors_[i].second.variable().content = before_[i];
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  const std::vector<ContentPtr>& before() const { return before_; }

 private:
  const NamedTensors& tensors_;
  std::vector<ContentPtr> before_;
};

ir::Entry& new_entry(ir::Model& model, const std::string& name) {
  ir::Entry& entry = *model.entries.emplace_back(std::make_unique<ir::Entry>());
  entry.name = name;
  return entry;
}

}  // namespace

ir::Model trace(const NamedTensors& inputs, const NamedTensors& outputs, const NamedTensors& parameters, const std::string& name) {
  ir::Model model;
  Tracer t(model, new_entry(model, name));
  for (const auto& [n, tensor] : parameters) t.add_state(n, tensor.variable().content);
  for (const auto& [n, tensor] : inputs) t.add_input(n, tensor);
  t.add_nodes(contents_of(outputs));
  for (const auto& [n, tensor] : outputs) t.add_output(n, tensor);
  ir::check(model);
  return model;
}

ir::Model trace_call(const NamedTensors& inputs, const NamedTensors& state, const std::function<NamedTensors()>& record, const TraceOptions& options) {
  ir::Model model;
  Tracer t(model, new_entry(model, options.name));
  const Restore restore(state);
  for (size_t i = 0; i < state.size(); ++i) t.add_state(state[i].first, restore.before()[i], options.frozen);
  for (const auto& [n, tensor] : inputs) t.add_input(n, tensor);
  NamedTensors outputs = record();
  if (options.gradients) {
    if (outputs.empty()) throw Exception(Error::InvalidArgument, "trace: gradients of what? the first output is to be the loss");
    for (const auto& [leaf, gradient] : lazy::record_leaf_gradients(outputs[0].second.variable().content))
      for (size_t i = 0; i < state.size(); ++i)
        if (restore.before()[i] == leaf) outputs.emplace_back(gradient_output(state[i].first), lazy::tensor_of(gradient));
  }
  std::vector<ContentPtr> results = contents_of(outputs);
  std::vector<std::pair<std::string, ContentPtr>> writes;
  for (size_t i = 0; i < state.size(); ++i) {
    const ContentPtr& now = state[i].second.variable().content;
    if (now == restore.before()[i]) continue;
    if (options.frozen)
      throw Exception(Error::InvalidArgument, "trace: '" + state[i].first + "' is to be a constant, but the module replaces it; call eval() first");
    writes.emplace_back(state[i].first, now);
    results.push_back(now);
  }
  t.add_nodes(results);
  for (const auto& [n, tensor] : outputs) t.add_output(n, tensor);
  for (const auto& [n, content] : writes) t.add_write(n, content);
  ir::check(model);
  return model;
}

void add_entries(ir::Model& model, ir::Model more) {
  const auto same = [](const ir::StateVar& a, const ir::StateVar& b) { return a.name == b.name && a.dtype == b.dtype && a.dims == b.dims; };
  if (!std::equal(model.states.begin(), model.states.end(), more.states.begin(), more.states.end(), same))
    throw Exception(Error::ShapeMismatch, "add_entries: the two models have other State");
  for (auto& entry : more.entries) {
    if (model.find(entry->name) != nullptr) throw Exception(Error::InvalidArgument, "add_entries: the model has an entry '" + entry->name + "' already");
    model.entries.push_back(std::move(entry));
  }
}

}  // namespace gf
