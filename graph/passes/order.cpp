// Order of nodes for least memory: list scheduling that always runs the node after which the fewest bytes are alive,
// kept when its peak is below that of the order given. Nodes that write state stay behind everything that stands before
// them: entries that have such keep their order, but for the masks of a train step.
#include <algorithm>
#include <map>
#include <set>

#include "graph/emit/state_writes.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

class Scheduler {
 public:
  explicit Scheduler(Rewriter& r) : r_(r), nodes_(r.nodes()) {
    for (size_t i = 0; i < nodes_.size(); ++i)
      for (ValueId v : nodes_[i]->outputs)
        if (v != kNoValue) maker_[v] = i;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      std::set<ValueId> inputs;
      all_inputs(*nodes_[i], inputs);
      for (ValueId v : inputs)
        if (maker_.contains(v) && maker_.at(v) != i) {
          reads_[i].push_back(v);
          readers_[v].push_back(i);
        }
    }
    for (ValueId v : r.block().outputs) ++kept_[v];
  }

  int run() {
    if (nodes_.size() < 3 || nodes_.size() > 20000) return 0;
    for (const Node* n : nodes_)
      if (n->writes_state >= 0 || !n->blocks.empty() || (n->def->info.flags & kOpRandom) != 0) return 0;
    std::vector<size_t> given(nodes_.size());
    for (size_t i = 0; i < given.size(); ++i) given[i] = i;
    const std::vector<size_t> greedy = schedule();
    if (greedy.size() != given.size() || !(peak(greedy) < 0.99 * peak(given))) return 0;
    std::vector<std::unique_ptr<Node>> ordered;
    auto& own = r_.block().nodes;
    for (const size_t i : greedy) ordered.push_back(std::move(own[i]));
    own = std::move(ordered);
    return 1;
  }

 private:
  double bytes(ValueId v) const {
    const Node* n = nodes_[maker_.at(v)];
    return (n->def->info.flags & kOpView) != 0 ? 0 : estimated_bytes(r_.value(v));
  }

  double made_by(size_t i) const {
    double sum = 0;
    for (ValueId v : nodes_[i]->outputs)
      if (v != kNoValue) sum += bytes(v);
    return sum;
  }

  double peak(const std::vector<size_t>& order) const {
    std::map<ValueId, size_t> left = remaining();
    double live = 0, most = 0;
    for (const size_t i : order) {
      live += made_by(i);
      most = std::max(most, live);
      live -= freed_by(i, left, true);
    }
    return most;
  }

  std::map<ValueId, size_t> remaining() const {
    std::map<ValueId, size_t> left;
    for (const auto& [v, readers] : readers_) left[v] = readers.size();
    return left;
  }

  // Bytes whose last reader is i; with `commit` the reads are counted off.
  double freed_by(size_t i, std::map<ValueId, size_t>& left, bool commit) const {
    double sum = 0;
    if (const auto it = reads_.find(i); it != reads_.end())
      for (ValueId v : it->second) {
        auto& count = left.at(v);
        if (count == 1 && !kept_.contains(v)) sum += bytes(v);
        if (commit) --count;
      }
    return sum;
  }

  std::vector<size_t> schedule() const {
    std::map<ValueId, size_t> left = remaining();
    std::vector<size_t> waiting(nodes_.size(), 0), order;
    for (const auto& [i, reads] : reads_) waiting[i] = reads.size();
    std::set<size_t> ready;
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (waiting[i] == 0) ready.insert(i);
    while (!ready.empty()) {
      size_t best = *ready.begin();
      double best_growth = 0;
      bool first = true;
      for (const size_t i : ready) {
        const double growth = made_by(i) - freed_by(i, left, false);
        if (first || growth < best_growth) best = i, best_growth = growth, first = false;
      }
      ready.erase(best);
      order.push_back(best);
      freed_by(best, left, true);
      for (ValueId v : nodes_[best]->outputs) {
        if (v == kNoValue || !readers_.contains(v)) continue;
        for (const size_t reader : readers_.at(v))
          if (--waiting[reader] == 0) ready.insert(reader);
      }
    }
    return order;
  }

  Rewriter& r_;
  std::vector<Node*> nodes_;
  std::map<ValueId, size_t> maker_;
  std::map<size_t, std::vector<ValueId>> reads_;
  std::map<ValueId, std::vector<size_t>> readers_;
  std::map<ValueId, int> kept_;
};

constexpr double kScalarBytes = 64;

// Masks of a train step: a comparison whose answer the backward part reads (where a clip was inside its bounds, where a value was
// positive) is made while its operand is there anyway, so that one byte per element waits for the backward part, and not four.
class MaskPlacer {
 public:
  explicit MaskPlacer(ir::Entry& entry) : entry_(entry) {
    const auto& nodes = entry.body.nodes;
    for (size_t i = 0; i < nodes.size(); ++i) {
      std::set<ValueId> inputs;
      all_inputs(*nodes[i], inputs);
      for (const ValueId v : inputs)
        if (!is_mask(*nodes[i])) last_read_[root(v)] = i;
      for (const ValueId v : nodes[i]->outputs) {
        if (v == kNoValue) continue;
        maker_[v] = i;
        if ((nodes[i]->def->info.flags & kOpView) != 0) root_[v] = root(nodes[i]->inputs[0]);
      }
    }
    for (const ValueId v : entry.body.outputs) last_read_[root(v)] = nodes.size();
  }

  int run() {
    auto& nodes = entry_.body.nodes;
    std::multimap<size_t, size_t> moved;  // node to run behind -> node
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!is_mask(*nodes[i])) continue;
      const std::optional<size_t> at = place(i);
      if (!at || *at + 1 >= i) continue;
      moved.emplace(*at, i);
      behind_[i] = *at;
    }
    if (moved.empty()) return 0;
    std::vector<std::unique_ptr<Node>> ordered;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!behind_.contains(i)) ordered.push_back(std::move(nodes[i]));
      const auto [begin, end] = moved.equal_range(i);
      for (auto it = begin; it != end; ++it) ordered.push_back(std::move(nodes[it->second]));
    }
    nodes = std::move(ordered);
    return static_cast<int>(moved.size());
  }

 private:
  double bytes(ValueId v) const { return estimated_bytes(entry_.value(v)); }
  ValueId root(ValueId v) const {
    const auto it = root_.find(v);
    return it == root_.end() ? v : it->second;
  }

  bool is_mask(const Node& n) const {
    return n.outputs.size() == 1 && n.outputs[0] != kNoValue && entry_.value(n.outputs[0]).dtype == DType::Bool && n.writes_state < 0 &&
           n.blocks.empty() && (n.def->info.flags & kOpElementwise) != 0 && bytes(n.outputs[0]) > kScalarBytes && !may_stop(entry_, n);
  }

  // The node behind which mask i is made: as soon as its operands are there and all but masks have read them; nothing where an operand
  // waits for later readers anyway, or where less waits than would.
  std::optional<size_t> place(size_t i) const {
    size_t at = 0;
    double freed = 0;
    std::set<ValueId> seen;
    for (const ValueId v : entry_.body.nodes[i]->inputs) {
      const auto made = v == kNoValue ? maker_.end() : maker_.find(v);
      if (made == maker_.end()) continue;
      const auto moved = behind_.find(made->second);
      at = std::max(at, moved != behind_.end() ? moved->second : made->second);
      if (bytes(v) <= kScalarBytes || !seen.insert(root(v)).second) continue;
      const auto read = last_read_.find(root(v));
      if (!maker_.contains(root(v)) || (read != last_read_.end() && read->second > i)) return std::nullopt;
      if (read != last_read_.end()) at = std::max(at, behind(read->second));
      freed += bytes(root(v));
    }
    return freed > bytes(entry_.body.nodes[i]->outputs[0]) ? std::optional(at) : std::nullopt;
  }
  // Behind reader r; in front of one that may write its result over what it reads.
  size_t behind(size_t r) const { return (entry_.body.nodes[r]->def->info.flags & kOpElementwise) != 0 ? r - 1 : r; }

  ir::Entry& entry_;
  std::map<ValueId, size_t> maker_, last_read_;  // a view's reads are those of what it looks at
  std::map<ValueId, ValueId> root_;
  std::map<size_t, size_t> behind_;              // masks that move
};

}  // namespace

int order_for_memory(ir::Model& model, const PassOptions& options) {
  int changes = for_each_rewriter(model, [](Rewriter& r) { return Scheduler(r).run(); });
  if (options.exact)
    for (auto& e : model.entries) changes += MaskPlacer(*e).run();
  return changes;
}

}  // namespace gf
