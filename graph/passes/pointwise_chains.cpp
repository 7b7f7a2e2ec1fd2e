// Pointwise chains: elementwise f32 ops that feed each other become one node, so that intermediate results never leave the
// cache. Grown from the last op upwards; an op joins when all its readers have joined. In a train step, where the backward part
// and the State read what the forward part and the update rules compute on the way, an op may also have readers that come
// later: its result becomes one more output.
#include <algorithm>
#include <map>
#include <set>

#include "graph/passes/passes.h"
#include "graph/passes/scalar_eval.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

constexpr int kMaxLive = 8;  // results an interpreter keeps at once

class ChainFuser {
 public:
  ChainFuser(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    std::vector<Node*> nodes = r_.nodes();
    for (size_t i = 0; i < nodes.size(); ++i) order_[nodes[i]] = i;
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it)
      if (r_.alive(*it) && !taken_.contains(*it) && fits(**it)) fuse(**it);
    return changes_;
  }

 private:
  bool fits(const Node& n) const {
    if (n.writes_state >= 0 || scalar_arity(*n.def) == 0 || n.outputs.size() != 1) return false;
    for (ValueId v : n.inputs)
      if (v == kNoValue || r_.dtype(v) != DType::F32) return false;
    for (const ir::Attr& a : n.attrs)
      if (a.type != AttrType::Float && a.type != AttrType::Int) return false;
    return r_.dtype(n.outputs[0]) == DType::F32 && n.def->fields.size() <= 4;
  }

  void fuse(Node& root) {
    std::set<size_t> members = {order_.at(&root)};
    std::vector<const Node*> by_order(order_.size(), nullptr);
    for (const auto& [n, i] : order_) by_order[i] = n;
    bool grown = true;
    while (grown && static_cast<int>(members.size()) < op::Pointwise::kMaxInstructions) {
      grown = false;
      for (const size_t i : std::set<size_t>(members)) {
        for (ValueId v : by_order[i]->inputs) {
          const Node* p = r_.producer(v);
          if (p == nullptr || !order_.contains(p) || members.contains(order_.at(p)) || taken_.contains(p)) continue;
          if (!fits(*p) || !same_shape(r_.shape(v), r_.shape(root.outputs[0])) || (r_.is_output(v) && !options_.exact)) continue;
          const auto readers = r_.readers(v);
          const bool served = std::all_of(readers.begin(), readers.end(), [&](const Node* o) {
            if (!order_.contains(o)) return false;
            const size_t at = order_.at(o);
            return members.contains(at) || (options_.exact && at > order_.at(&root));
          });
          if (!served) continue;
          std::set<size_t> wider = members;
          wider.insert(order_.at(p));
          if (!encodable(wider, by_order)) continue;
          members = std::move(wider);
          grown = true;
        }
        if (grown) break;
      }
    }
    if (members.size() < 2) return;
    emit(root, members, by_order);
  }

  struct Program {
    std::vector<ValueId> inputs;
    std::vector<int64_t> words;
    std::vector<float> parameters;
    std::vector<int64_t> results;   // instructions whose results somebody reads outside
    std::vector<ValueId> outputs;   // those results
  };

  bool read_outside(ValueId v, const std::set<size_t>& members) const {
    const auto readers = r_.readers(v);
    return r_.is_output(v) || std::any_of(readers.begin(), readers.end(), [&](const Node* o) {
             return !order_.contains(o) || !members.contains(order_.at(o));
           });
  }

  std::optional<Program> encode(const std::set<size_t>& members, const std::vector<const Node*>& by_order) const {
    Program p;
    std::map<ValueId, int64_t> result;
    int64_t k = 0;
    for (const size_t i : members) {
      const Node& n = *by_order[i];
      const auto operand = [&](ValueId v) {
        if (const auto it = result.find(v); it != result.end()) return -1 - it->second;
        const auto at = std::find(p.inputs.begin(), p.inputs.end(), v);
        if (at != p.inputs.end()) return static_cast<int64_t>(at - p.inputs.begin());
        p.inputs.push_back(v);
        return static_cast<int64_t>(p.inputs.size() - 1);
      };
      const int64_t first = static_cast<int64_t>(p.parameters.size());
      const ir::DecodedAttrs decoded(n);
      for (const AttrField& f : n.def->fields) {
        const AttrValue value = f.load(decoded.get());
        p.parameters.push_back(value.type == AttrType::Float ? static_cast<float>(value.f)
                                                             : static_cast<float>(value.i));
      }
      const int64_t a = operand(n.inputs[0]);
      const int64_t b = n.inputs.size() > 1 ? operand(n.inputs[1]) : op::Pointwise::kNoOperand;
      p.words.insert(p.words.end(), {n.def->info.id, first, a, b});
      if (i == *members.rbegin() || read_outside(n.outputs[0], members)) {
        p.results.push_back(k);
        p.outputs.push_back(n.outputs[0]);
      }
      result[n.outputs[0]] = k++;
    }
    if (p.inputs.size() > static_cast<size_t>(op::Pointwise::kMaxInputs) ||
        p.results.size() > static_cast<size_t>(op::Pointwise::kMaxOutputs) || live(p) > kMaxLive)
      return std::nullopt;
    return p;
  }
  bool encodable(const std::set<size_t>& members, const std::vector<const Node*>& by_order) const {
    return members.size() <= static_cast<size_t>(op::Pointwise::kMaxInstructions) &&
           encode(members, by_order).has_value();
  }

  // Most results alive at once while the program runs.
  static int live(const Program& p) {
    const size_t n = p.words.size() / op::Pointwise::kWords;
    std::vector<size_t> last(n, 0);
    for (size_t k = 0; k < n; ++k)
      for (size_t j = 2; j < 4; ++j)
        if (const int64_t w = p.words[k * op::Pointwise::kWords + j]; w < 0) last[static_cast<size_t>(-1 - w)] = k;
    for (const int64_t k : p.results) last[static_cast<size_t>(k)] = n;  // kept until the tile is done
    int most = 0;
    for (size_t k = 0; k < n; ++k) {
      int now = 1;
      for (size_t j = 0; j < k; ++j) now += last[j] > k ? 1 : 0;
      most = std::max(most, now);
    }
    return most;
  }

  void emit(Node& root, const std::set<size_t>& members, const std::vector<const Node*>& by_order) {
    const auto p = encode(members, by_order);
    if (!p) return;
    std::string names;
    for (const size_t i : members) names += std::string(names.empty() ? "" : ", ") + by_order[i]->def->info.name;
    note(options_, "pointwise (" + names + ")", root);
    ++changes_;
    for (const size_t i : members) taken_.insert(by_order[i]);
    if (p->outputs.size() == 1) {
      r_.become<op::Pointwise>(root, p->inputs, {.program = p->words, .parameters = p->parameters});
      return;
    }
    const op::Pointwise::Attrs attrs{.program = p->words, .parameters = p->parameters, .results = p->results};
    Node& chain = r_.insert(root, op_def<op::Pointwise>, p->inputs, &attrs, p->outputs.size());
    for (size_t k = 0; k < p->outputs.size(); ++k) r_.take_over(chain, k, p->outputs[k]);
    for (auto it = members.rbegin(); it != members.rend(); ++it) {
      auto* const n = const_cast<Node*>(by_order[*it]);
      if (r_.alive(n)) r_.erase(*n);
    }
    order_[&chain] = *members.rbegin();
    taken_.insert(&chain);
  }

  Rewriter& r_;
  const PassOptions& options_;
  std::map<const Node*, size_t> order_;
  std::set<const Node*> taken_;
  int changes_ = 0;
};

}  // namespace

int fuse_pointwise(ir::Model& model, const PassOptions& options) {
  return for_each_rewriter(model, [&](Rewriter& r) { return ChainFuser(r, options).run(); });
}

}  // namespace gf
