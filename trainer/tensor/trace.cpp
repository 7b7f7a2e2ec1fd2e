#include "trainer/tensor/trace.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/ir/builder.h"
#include "schema/ops/identity.h"
#include "trainer/tensor/recording.h"

namespace gf {
namespace {

using lazy::Content;
using lazy::ContentPtr;
using lazy::Node;

class Tracer {
 public:
  Tracer(ir::Model& model, ir::Entry& entry) : model_(model), entry_(entry) {}

  void add_input(const std::string& name, const Tensor& t) {
    const Content& c = *t.variable().content;
    remember(name, c, entry_.add_input(name, c.dtype, shape_of(c)));
  }
  void add_parameter(const std::string& name, const Tensor& t) {
    const ContentPtr& c = t.variable().content;
    const io::Array& now = lazy::host(c);
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
  /// Nodes in the order in which they were recorded.
  void add_nodes(const NamedTensors& outputs) {
    for (const auto& [name, t] : outputs) gather(t.variable().content);
    std::sort(nodes_.begin(), nodes_.end(), [](const Node* a, const Node* b) { return a->number < b->number; });
    for (const Node* n : nodes_) add(*n);
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
    if (c->node->kind != Node::Kind::Op) throw Exception(Error::InvalidArgument, "trace: an output depends on gradients that have not been computed; look at them first");
    nodes_.push_back(c->node.get());
    for (const ContentPtr& in : c->node->inputs) gather(in);
  }
  ir::ValueId value_of(const ContentPtr& c) {
    if (c == nullptr) return ir::kNoValue;
    if (const auto it = values_.find(c.get()); it != values_.end()) return it->second;
    if (c->node != nullptr)
      if (const auto it = results_.find({c->node.get(), c->output}); it != results_.end()) return it->second;
    const io::Array& now = lazy::host(c);
    return values_[c.get()] = entry_.add_constant(ir::make_constant(c->dtype, c->shape, now.data));
  }
  void add(const Node& n) {
    auto node = std::make_unique<ir::Node>();
    node->def = n.def;
    node->attrs = n.attrs;
    for (const ContentPtr& c : n.inputs) node->inputs.push_back(value_of(c));
    node->origin = node->name = n.def->info.name;
    for (size_t k = 0; k < n.outputs.size(); ++k) results_[{&n, k}] = node->outputs.emplace_back(entry_.add_value({}));
    ir::infer_node(entry_, *node);
    entry_.body.nodes.push_back(std::move(node));
  }

  ir::Model& model_;
  ir::Entry& entry_;
  std::set<std::string> names_;
  std::map<const Content*, ir::ValueId> values_;
  std::map<std::pair<const Node*, size_t>, ir::ValueId> results_;
  std::set<const Node*> seen_;
  std::vector<const Node*> nodes_;
};

}  // namespace

ir::Model trace(const NamedTensors& inputs, const NamedTensors& outputs, const NamedTensors& parameters, const std::string& name) {
  ir::Model model;
  ir::Entry& entry = *model.entries.emplace_back(std::make_unique<ir::Entry>());
  entry.name = name;
  Tracer t(model, entry);
  for (const auto& [n, tensor] : parameters) t.add_parameter(n, tensor);
  for (const auto& [n, tensor] : inputs) t.add_input(n, tensor);
  t.add_nodes(outputs);
  for (const auto& [n, tensor] : outputs) t.add_output(n, tensor);
  ir::check(model);
  return model;
}

}  // namespace gf
