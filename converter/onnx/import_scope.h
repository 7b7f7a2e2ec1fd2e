// Names of one graph or function body while it is imported, and the state shared by all of them. Internal.
#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "converter/onnx/import.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {

/// Shared by all scopes of one import.
struct ImportState {
  const Model* model = nullptr;
  ir::Model* target = nullptr;
  ir::Entry* entry = nullptr;
  Evaluator evaluator;
  ExternalData* external = nullptr;
  std::span<const OpDef* const> custom_ops;
  std::vector<Unsupported> unsupported;
  std::vector<std::string> function_stack;
  int64_t nodes_left = 1'000'000;       ///< function inlining may not explode
};

class ImportScope {
 public:
  ImportScope(ImportState& state, const ImportScope* parent) : state_(state), parent_(parent) {}

  ImportState& state() { return state_; }
  /// Value of a name here or in a scope around; kNoValue when undefined. Initializers become constants on first use.
  ir::ValueId find(const std::string& name);
  bool is_poisoned(const std::string& name) const;
  void define(const std::string& name, ir::ValueId value) { values_[name] = value; }
  void poison(const std::string& name) { poisoned_.insert(name); }
  void add_initializer(const Tensor& tensor) { initializers_[tensor.name] = &tensor; }
  void own_initializer(Tensor tensor);

  /// Opset versions in force here (functions bring their own).
  void set_opsets(const std::vector<OpsetId>& ids) { opsets_ = &ids; }
  int64_t opset(const std::string& domain) const;

  /// Lowers `nodes` in order into `block`.
  void lower_nodes(const std::vector<Node>& nodes, ir::Block& block);
  /// Lowers a sub-graph (If branch, Loop body) into a block of its own; `inputs` are the values of graph.input.
  ir::Block lower_graph(const Graph& graph, const std::vector<ir::ValueId>& inputs);
  /// Lowers a sub-graph into `block` itself and returns its outputs (a branch that is known to be taken).
  std::vector<ir::ValueId> inline_graph(const Graph& graph, ir::Block& block);

 private:
  void lower_node(const Node& node, size_t index, ir::Block& block);
  bool inline_function(const Node& node, ir::Block& block);
  void fold_new_nodes(ir::Block& block, size_t first);
  void report(const Node& node, size_t index, const std::string& reason, const std::string& alternative);
  void define_graph(const Graph& graph);

  ImportState& state_;
  const ImportScope* parent_;
  const std::vector<OpsetId>* opsets_ = nullptr;
  std::unordered_map<std::string, ir::ValueId> values_;
  std::unordered_map<std::string, const Tensor*> initializers_;
  std::vector<std::unique_ptr<Tensor>> owned_;
  std::set<std::string> poisoned_;
};

/// The custom op that `node` names by domain and operator, or nullptr; and such a node, taken one to one.
const OpDef* find_custom_op(std::span<const OpDef* const> ops, const Node& node);
void lower_custom(Lowering& l, const OpDef& op);

/// "ai.onnx" for "", else the domain itself.
std::string domain_name(const std::string& domain);

}  // namespace gf::onnx
