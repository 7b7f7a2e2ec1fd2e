#include "converter/onnx/import_scope.h"

#include <algorithm>

#include "converter/onnx/model_check.h"
#include "converter/onnx/tensor_data.h"

namespace gf::onnx {
namespace {

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

const ImportRow* find_row(const Node& node, int64_t opset, bool& known_operator) {
  const ImportRow* best = nullptr;
  for (const auto table : import_rows()) {
    for (const ImportRow& row : table) {
      if (row.op != node.op_type) continue;
      const bool same_domain = is_standard(node.domain) ? row.domain[0] == '\0' : node.domain == row.domain;
      if (!same_domain) continue;
      known_operator = true;
      if (row.since <= opset && (best == nullptr || row.since > best->since)) best = &row;
    }
  }
  return best;
}

// A node of a function body with references to the caller's attributes replaced.
Node substitute(const Node& node, const Node& caller, const Function& function) {
  Node out = node;
  std::vector<Attribute> attributes;
  for (Attribute& a : out.attribute) {
    if (!a.ref_attr_name.empty()) {
      const Attribute* given = caller.find(a.ref_attr_name);
      if (given == nullptr)
        for (const Attribute& d : function.attribute_default)
          if (d.name == a.ref_attr_name) given = &d;
      if (given == nullptr) continue;  // an optional attribute that the caller left out
      Attribute copy = *given;
      copy.name = a.name;
      attributes.push_back(std::move(copy));
      continue;
    }
    for (Graph& g : a.graphs)
      for (Node& inner : g.node) inner = substitute(inner, caller, function);
    attributes.push_back(std::move(a));
  }
  out.attribute = std::move(attributes);
  return out;
}

}  // namespace

std::string domain_name(const std::string& domain) { return is_standard(domain) ? "ai.onnx" : domain; }

ir::ConstantPtr to_constant(const Tensor& tensor) {
  const DType dtype = to_dtype(tensor.data_type);
  if (dtype == DType::Invalid || dtype == DType::String)
    throw Exception(Error::Unsupported, std::string("tensors of type ") + tensor_type_name(tensor.data_type) + " are not supported");
  const Bytes bytes = tensor_bytes(tensor);
  const size_t element = std::max<size_t>(1, dtype_bits(dtype) / 8);
  if (bytes.empty() || reinterpret_cast<uintptr_t>(bytes.data()) % element == 0) {
    auto c = std::make_shared<ir::Constant>();
    c->dtype = dtype;
    c->dims = tensor.dims;
    c->data = bytes.span();
    c->owner = std::make_shared<Bytes>(bytes);
    return c;
  }
  return ir::make_constant(dtype, tensor.dims, {bytes.span().begin(), bytes.span().end()});
}

namespace {

ir::ConstantPtr initializer_constant(const Tensor& tensor, ExternalData* external) {
  if (tensor.location != Tensor::Location::External) return to_constant(tensor);
  Tensor resident = tensor;
  resident.raw_data = tensor_bytes(tensor, external, tensor.name);
  resident.location = Tensor::Location::Default;
  resident.external_data.clear();
  return to_constant(resident);
}

}  // namespace

ir::ValueId ImportScope::find(const std::string& name) {
  for (const ImportScope* s = this; s != nullptr; s = s->parent_) {
    auto* scope = const_cast<ImportScope*>(s);  // an outer scope only gains a cache entry
    if (const auto it = scope->values_.find(name); it != scope->values_.end()) return it->second;
    if (const auto it = scope->initializers_.find(name); it != scope->initializers_.end()) {
      const ir::ValueId v = state_.entry->add_constant(initializer_constant(*it->second, state_.external), name);
      scope->values_[name] = v;
      return v;
    }
  }
  return ir::kNoValue;
}

bool ImportScope::is_poisoned(const std::string& name) const {
  for (const ImportScope* s = this; s != nullptr; s = s->parent_) {
    if (s->poisoned_.contains(name)) return true;
    if (s->values_.contains(name) || s->initializers_.contains(name)) return false;
  }
  return false;
}

void ImportScope::own_initializer(Tensor tensor) {
  owned_.push_back(std::make_unique<Tensor>(std::move(tensor)));
  add_initializer(*owned_.back());
}

int64_t ImportScope::opset(const std::string& domain) const {
  for (const ImportScope* s = this; s != nullptr; s = s->parent_) {
    if (s->opsets_ == nullptr) continue;
    for (const OpsetId& id : *s->opsets_)
      if (domain_name(id.domain) == domain_name(domain)) return id.version;
    return is_standard(domain) ? 1 : 0;
  }
  return 1;
}

void ImportScope::lower_nodes(const std::vector<Node>& nodes, ir::Block& block) {
  for (size_t i = 0; i < nodes.size(); ++i) lower_node(nodes[i], i, block);
}

void ImportScope::report(const Node& node, size_t index, const std::string& reason, const std::string& alternative) {
  state_.unsupported.push_back({node.name.empty() ? "#" + std::to_string(index) : printable(node.name), domain_name(printable(node.domain)) + "." + printable(node.op_type), opset(node.domain), reason, alternative});
  for (const std::string& o : node.output)
    if (!o.empty()) poison(o);
}

void ImportScope::fold_new_nodes(ir::Block& block, size_t first) {
  const auto begin = block.nodes.begin() + static_cast<std::ptrdiff_t>(std::min(first, block.nodes.size()));
  block.nodes.erase(std::remove_if(begin, block.nodes.end(), [&](std::unique_ptr<ir::Node>& n) { return fold_node(*state_.entry, *n, state_.evaluator); }), block.nodes.end());
}

void ImportScope::lower_node(const Node& node, size_t index, ir::Block& block) {
  if (--state_.nodes_left < 0) throw Exception(Error::LimitExceeded, "the model's functions expand to too many nodes");
  for (const std::string& in : node.input) {
    if (in.empty() || !is_poisoned(in)) continue;
    for (const std::string& o : node.output)
      if (!o.empty()) poison(o);
    return;
  }
  if (inline_function(node, block)) return;
  const int64_t version = opset(node.domain);
  bool known = false;
  const ImportRow* row = find_row(node, version, known);
  const OpDef* custom = row == nullptr && !known ? find_custom_op(state_.custom_ops, node) : nullptr;
  if (row == nullptr && custom == nullptr) {
    report(node, index, known ? "this operator exists only from a later opset than the model's" : "this operator is not supported", "");
    return;
  }
  ir::Builder builder(*state_.entry, block);
  const std::string label = node.name.empty() ? (node.output.empty() ? "" : node.output[0]) : node.name;
  builder.set_origin(label, node.op_type + " '" + printable(label) + "' (" + domain_name(node.domain) + " " + std::to_string(version) + ")");
  Lowering lowering(node, version, builder, *this);
  const size_t first = block.nodes.size();
  try {
    if (custom != nullptr) lower_custom(lowering, *custom);
    else row->lower(lowering);
    fold_new_nodes(block, first);
  } catch (const UnsupportedOperator& u) {
    report(node, index, u.reason, u.alternative);
  } catch (const Exception& e) {
    // a type or feature that we lack is a line of the report; a wrong model ends the import
    if (e.code() != Error::Unsupported && e.code() != Error::TypeMismatch) throw;
    report(node, index, e.what(), "");
  }
}

bool ImportScope::inline_function(const Node& node, ir::Block& block) {
  const Function* function = nullptr;
  for (const Function& f : state_.model->function)
    if (f.name == node.op_type && domain_name(f.domain) == domain_name(node.domain) && f.overload == node.overload) function = &f;
  if (function == nullptr) return false;
  const std::string id = function->domain + ":" + function->name + ":" + function->overload;
  auto& stack = state_.function_stack;
  if (std::find(stack.begin(), stack.end(), id) != stack.end())
    throw Exception(Error::BadGraph, "function '" + printable(function->name) + "' calls itself, which ONNX forbids");
  if (stack.size() >= 64) throw Exception(Error::LimitExceeded, "functions nest deeper than 64");
  stack.push_back(id);
  ImportScope body(state_, nullptr);
  body.set_opsets(function->opset_import);
  for (size_t i = 0; i < function->input.size() && i < node.input.size(); ++i)
    if (!node.input[i].empty()) {
      const ir::ValueId v = find(node.input[i]);
      if (v == ir::kNoValue) throw Exception(Error::BadGraph, "node '" + printable(node.name) + "' reads '" + printable(node.input[i]) + "', which nothing writes");
      body.define(function->input[i], v);
    }
  std::vector<Node> nodes;
  for (const Node& n : function->node) {
    nodes.push_back(substitute(n, node, *function));
    Node& copy = nodes.back();
    // an input that the caller left out is left out of the body's nodes too
    for (std::string& in : copy.input)
      if (!in.empty() && body.find(in) == ir::kNoValue && std::find(function->input.begin(), function->input.end(), in) != function->input.end()) in.clear();
    while (!copy.input.empty() && copy.input.back().empty()) copy.input.pop_back();
  }
  body.lower_nodes(nodes, block);
  for (size_t i = 0; i < function->output.size() && i < node.output.size(); ++i) {
    if (node.output[i].empty()) continue;
    if (body.is_poisoned(function->output[i])) {
      poison(node.output[i]);
      continue;
    }
    const ir::ValueId v = body.find(function->output[i]);
    if (v == ir::kNoValue) throw Exception(Error::BadGraph, "function '" + printable(function->name) + "' never writes its output '" + printable(function->output[i]) + "'");
    define(node.output[i], v);
  }
  stack.pop_back();
  return true;
}

void ImportScope::define_graph(const Graph& graph) {
  for (const Tensor& t : graph.initializer) add_initializer(t);
  for (const SparseTensor& s : graph.sparse_initializer) {
    Tensor dense = densify(s, state_.external);
    dense.name = s.values.name;
    own_initializer(std::move(dense));
  }
}

std::vector<ir::ValueId> ImportScope::inline_graph(const Graph& graph, ir::Block& block) {
  ImportScope inner(state_, this);
  inner.define_graph(graph);
  inner.lower_nodes(graph.node, block);
  std::vector<ir::ValueId> out;
  for (const ValueInfo& o : graph.output) {
    if (inner.is_poisoned(o.name)) throw UnsupportedOperator{"an operator inside its sub-graph is not supported", ""};
    const ir::ValueId v = inner.find(o.name);
    if (v == ir::kNoValue) throw Exception(Error::BadGraph, "sub-graph output '" + printable(o.name) + "' is never written");
    out.push_back(v);
  }
  return out;
}

ir::Block ImportScope::lower_graph(const Graph& graph, const std::vector<ir::ValueId>& inputs) {
  if (graph.input.size() != inputs.size())
    throw Exception(Error::BadGraph, "a sub-graph has " + std::to_string(graph.input.size()) + " inputs, its node gives " + std::to_string(inputs.size()));
  ir::Block block;
  block.inputs = inputs;
  ImportScope inner(state_, this);
  for (size_t i = 0; i < inputs.size(); ++i) inner.define(graph.input[i].name, inputs[i]);
  block.outputs = inner.inline_graph(graph, block);
  return block;
}

}  // namespace gf::onnx
