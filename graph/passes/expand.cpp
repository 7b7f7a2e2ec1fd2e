#include "graph/passes/expand.h"

#include <algorithm>

#include "graph/ir/formula.h"
#include "schema/ops/identity.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

/// Runs a rule: words become nodes of a block of their own.
class GraphExpander final : public ir::GraphFormula<Expander> {
 public:
  GraphExpander(ir::Entry& entry, const Node& node, ir::Block& into, const OpTable& ops)
      : GraphFormula(entry, into, ops, node.name, node.origin), node_(node), outputs_(node.outputs.size(), kNoValue) {}

  int input_count() const override { return static_cast<int>(node_.inputs.size()); }
  Var input(int i) const override {
    return {const_cast<GraphExpander*>(this), node_.input(static_cast<size_t>(i))};
  }
  bool wants_output(int i) const override { return node_.output(static_cast<size_t>(i)) != kNoValue; }
  void output(int i, Var value) override {
    if (static_cast<size_t>(i) < outputs_.size()) outputs_[static_cast<size_t>(i)] = value.id;
  }

  const std::vector<ValueId>& outputs() const { return outputs_; }

 private:
  const Node& node_;
  std::vector<ValueId> outputs_;
};

class Expansion {
 public:
  Expansion(ir::Entry& entry, const ExpandOptions& options) : entry_(entry), options_(options) {}

  int run(ir::Block& block) {
    int changes = 0;
    std::vector<std::unique_ptr<Node>> done;
    for (auto& n : block.nodes) {
      for (ir::Block& inner : n->blocks) changes += run(inner);
      ir::Block made;
      if (!expand(*n, made)) {
        done.push_back(std::move(n));
        continue;
      }
      ++changes;
      changes += run(made);  // a rule may use fused ops itself
      for (auto& m : made.nodes) done.push_back(std::move(m));
    }
    block.nodes = std::move(done);
    return changes;
  }

 private:
  bool expand(const Node& n, ir::Block& made) {
    const OpRules* rules = find_rules(options_.rules, *n.def);
    if (rules == nullptr || rules->expand == nullptr || (options_.wanted && !options_.wanted(n))) return false;
    const ir::DecodedAttrs attrs(n);
    GraphExpander e(entry_, n, made, options_.ops);
    Error code = rules->expand(e, attrs.get());
    if (code == Error::Ok) code = e.error();
    if (code != Error::Ok) {
      const Exception why(code, n.origin + ": " + e.reason());
      if (!options_.failed) throw why;
      options_.failed(n, why);
      return false;
    }
    if (is_same(n, made)) return false;
    std::vector<ValueId> results = e.outputs();
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] == kNoValue) continue;
      const ValueId was = give(n, i, results[i], made);
      std::replace(results.begin() + static_cast<std::ptrdiff_t>(i) + 1, results.end(), was, n.outputs[i]);
    }
    return true;
  }

  // The rule gave the node itself: nothing in it is fused.
  static bool is_same(const Node& n, const ir::Block& made) {
    if (made.nodes.size() != 1) return false;
    const Node& m = *made.nodes[0];
    std::vector<ValueId> inputs = n.inputs;
    while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
    return m.def == n.def && m.attrs == n.attrs && m.inputs == inputs;
  }

  // Output i of n, a value that others read, is now computed as `result`; returns the id that it replaces.
  ValueId give(const Node& n, size_t i, ValueId result, ir::Block& made) {
    if (result == kNoValue) throw Exception(Error::Internal, n.origin + ": its expansion leaves out output " + std::to_string(i));
    Node* producer = nullptr;
    for (auto& m : made.nodes)
      if (std::find(m->outputs.begin(), m->outputs.end(), result) != m->outputs.end()) producer = m.get();
    const bool taken = std::find(n.outputs.begin(), n.outputs.end(), result) != n.outputs.end();
    const bool sole = producer != nullptr && !taken && n.writes_state < 0;
    if (!sole) {
      ir::Builder b(entry_, made);
      b.set_origin(n.name, n.origin);
      producer = &b.node<op::Identity>({result});
      producer->writes_state = n.writes_state;
      result = producer->outputs[0];
    }
    for (auto& m : made.nodes) {
      std::replace(m->inputs.begin(), m->inputs.end(), result, n.outputs[i]);
      std::replace(m->outputs.begin(), m->outputs.end(), result, n.outputs[i]);
    }
    return result;
  }

  ir::Entry& entry_;
  const ExpandOptions& options_;
};

}  // namespace

int expand_fused(ir::Entry& entry, const ExpandOptions& options) { return expand_fused(entry, entry.body, options); }
int expand_fused(ir::Entry& entry, ir::Block& block, const ExpandOptions& options) { return Expansion(entry, options).run(block); }

}  // namespace gf
