// Order of nodes for least memory: list scheduling that always runs the node after which the fewest bytes are alive,
// kept when its peak is below that of the order given. Nodes that write state stay behind everything that stands before
// them.
#include <algorithm>
#include <map>
#include <set>

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

}  // namespace

int order_for_memory(ir::Model& model, const PassOptions&) {
  return for_each_rewriter(model, [](Rewriter& r) { return Scheduler(r).run(); });
}

}  // namespace gf
