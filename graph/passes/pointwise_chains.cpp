// Pointwise chains: elementwise f32 ops that feed each other become one node, so that intermediate results never leave the
// cache. Grown from the last op upwards; an op joins when all its readers have joined. In a train step, where the backward part
// and the State read what the forward part and the update rules compute on the way, an op may also have readers that come
// later: its result becomes one more output. There, too, what is kept in 16 bits (weights, moments, gradients) is widened in front of a chain
// and rounded behind it; the chain takes those casts in, and with them the ops that lead to one only (dithering of moments).
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

  static bool is_16_bit(DType t) { return t == DType::F16 || t == DType::BF16; }
  /// A cast of 16-bit floats to f32, or back.
  bool widens(const Node& n) const {
    return n.is<op::Cast>() && n.writes_state < 0 && is_16_bit(r_.dtype(n.inputs[0])) && r_.dtype(n.outputs[0]) == DType::F32;
  }
  bool narrows(const Node& n) const {
    return n.is<op::Cast>() && n.writes_state < 0 && is_16_bit(r_.dtype(n.outputs[0])) && r_.dtype(n.inputs[0]) == DType::F32;
  }

  using Members = std::set<size_t>;
  /// A narrowing cast whose readers come behind `root`: the chain can give its result.
  bool can_round(const Node& n, size_t root) const {
    if (!options_.exact || !narrows(n)) return false;
    const auto readers = r_.readers(n.outputs[0]);
    return std::all_of(readers.begin(), readers.end(), [&](const Node* o) { return order_.contains(o) && order_.at(o) > root; });
  }
  // Adds the ops from n on to a cast that the chain can do, if they lead nowhere else.
  bool add_branch(const Node& n, size_t root, const DimShape& shape, Members& members) const {
    if (can_round(n, root)) return true;
    if (!order_.contains(&n) || taken_.contains(&n) || !fits(n) || r_.is_output(n.outputs[0]) || !same_shape(r_.shape(n.outputs[0]), shape)) return false;
    if (!members.insert(order_.at(&n)).second) return true;
    const auto readers = r_.readers(n.outputs[0]);
    return members.size() <= static_cast<size_t>(op::Pointwise::kMaxInstructions) &&
           std::all_of(readers.begin(), readers.end(), [&](const Node* o) {
             return (order_.contains(o) && members.contains(order_.at(o))) || add_branch(*o, root, shape, members);
           });
  }
  // Whether all who read v are served by the chain: as members (more may join), or behind it.
  bool serves(ValueId v, const Node& root, Members& members) const {
    const size_t at_root = order_.at(&root);
    const auto readers = r_.readers(v);
    return std::all_of(readers.begin(), readers.end(), [&](const Node* o) {
      if (!order_.contains(o)) return false;
      const size_t at = order_.at(o);
      return members.contains(at) || (options_.exact && (at > at_root || add_branch(*o, at_root, r_.shape(root.outputs[0]), members)));
    });
  }

  void fuse(Node& root) {
    Members members = {order_.at(&root)};
    std::vector<const Node*> by_order(order_.size(), nullptr);
    for (const auto& [n, i] : order_) by_order[i] = n;
    bool grown = true;
    while (grown && static_cast<int>(members.size()) < op::Pointwise::kMaxInstructions) {
      grown = false;
      for (const size_t i : Members(members)) {
        for (ValueId v : by_order[i]->inputs) {
          const Node* p = r_.producer(v);
          if (p == nullptr || !order_.contains(p) || members.contains(order_.at(p)) || taken_.contains(p)) continue;
          if (!fits(*p) || !same_shape(r_.shape(v), r_.shape(root.outputs[0])) || (r_.is_output(v) && !options_.exact)) continue;
          Members wider = members;
          wider.insert(order_.at(p));
          if (!serves(v, root, wider) || !encodable(wider, root, by_order)) continue;
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
    std::vector<ValueId> outputs;   // those results, or what a cast makes of them
    std::vector<int64_t> types;     // of those
    std::vector<Node*> casts;       // taken in
    bool mixed = false;             // some input or output has 16 bits
  };

  bool read_outside(ValueId v, const Members& members) const {
    const auto readers = r_.readers(v);
    return r_.is_output(v) || std::any_of(readers.begin(), readers.end(), [&](const Node* o) {
             return !order_.contains(o) || !members.contains(order_.at(o));
           });
  }

  // What v was before it was widened, where nobody outside the chain wants it wide.
  ValueId before_widening(ValueId v, const Members& members) const {
    const Node* p = r_.producer(v);
    return options_.exact && p != nullptr && widens(*p) && !read_outside(v, members) ? p->inputs[0] : v;
  }
  // The one cast that reads v outside the chain, if the chain can do it.
  Node* rounding_of(ValueId v, size_t root, const Members& members) const {
    Node* found = nullptr;
    if (r_.is_output(v)) return nullptr;
    for (Node* o : r_.readers(v)) {
      if (order_.contains(o) && members.contains(order_.at(o))) continue;
      if (found != nullptr || !can_round(*o, root)) return nullptr;
      found = o;
    }
    return found;
  }

  std::optional<Program> encode(const Members& members, const Node& root, const std::vector<const Node*>& by_order) const {
    Program p;
    std::map<ValueId, int64_t> result;
    int64_t k = 0;
    for (const size_t i : members) {
      const Node& n = *by_order[i];
      const auto operand = [&](ValueId wide) {
        if (const auto it = result.find(wide); it != result.end()) return -1 - it->second;
        const ValueId v = before_widening(wide, members);
        p.mixed = p.mixed || v != wide;
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
      if (&n == &root || read_outside(n.outputs[0], members)) {
        Node* cast = rounding_of(n.outputs[0], order_.at(&root), members);
        const ValueId y = cast != nullptr ? cast->outputs[0] : n.outputs[0];
        p.results.push_back(k);
        p.outputs.push_back(y);
        p.types.push_back(static_cast<int64_t>(r_.dtype(y)));
        if (cast != nullptr) p.casts.push_back(cast);
      }
      result[n.outputs[0]] = k++;
    }
    if (p.inputs.size() > static_cast<size_t>(op::Pointwise::kMaxInputs) ||
        p.results.size() > static_cast<size_t>(op::Pointwise::kMaxOutputs) || live(p) > kMaxLive)
      return std::nullopt;
    return p;
  }
  bool encodable(const Members& members, const Node& root, const std::vector<const Node*>& by_order) const {
    return members.size() <= static_cast<size_t>(op::Pointwise::kMaxInstructions) &&
           encode(members, root, by_order).has_value();
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

  void emit(Node& root, const Members& members, const std::vector<const Node*>& by_order) {
    const auto p = encode(members, root, by_order);
    if (!p) return;
    std::string names;
    for (const size_t i : members) names += std::string(names.empty() ? "" : ", ") + by_order[i]->def->info.name;
    note(options_, "pointwise (" + names + ")", root);
    ++changes_;
    for (const size_t i : members) taken_.insert(by_order[i]);
    if (!p->mixed && p->casts.empty() && p->outputs.size() == 1) {
      r_.become<op::Pointwise>(root, p->inputs, {.program = p->words, .parameters = p->parameters});
      return;
    }
    op::Pointwise::Attrs attrs{.program = p->words, .parameters = p->parameters, .results = p->results};
    if (p->mixed || !p->casts.empty()) attrs.types = p->types;
    Node& chain = r_.insert(root, op_def<op::Pointwise>, p->inputs, &attrs, p->outputs.size());
    for (size_t k = 0; k < p->outputs.size(); ++k) r_.take_over(chain, k, p->outputs[k]);
    for (Node* cast : p->casts) r_.erase(*cast);
    for (auto it = members.rbegin(); it != members.rend(); ++it) {
      auto* const n = const_cast<Node*>(by_order[*it]);
      if (r_.alive(n)) r_.erase(*n);
    }
    order_[&chain] = order_.at(&root);
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
