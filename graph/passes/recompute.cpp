// Recomputation: results that wait long for a reader (forward values that the backward part reads) are computed a second time in front
// of that reader, until what is alive at once meets a budget (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016; here
// greedy: at the moment of most memory, the result that frees most for the least work). Clones give the same bits: the same op on the
// same values (draws too: Philox of a key and a counter); never behind the node that makes the new value of a State that they read.
#include <algorithm>
#include <map>
#include <set>

#include "graph/emit/state_writes.h"
#include "graph/passes/lives.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

// Rough speeds, to weigh products against passes over memory: only their ratio counts.
constexpr double kMacsPerSecond = 2e10, kBytesPerSecond = 8e9;
constexpr size_t kMostClones = 24;  // nodes computed again for one result

class Recomputer {
 public:
  explicit Recomputer(ir::Entry& entry) : entry_(entry) {}

  int run(double budget) {
    int done = 0;
    for (Lives l(entry_); !l.live.empty(); l = Lives(entry_)) {
      const size_t peak = l.peak();
      if (before_ == 0) before_ = l.live[peak];
      after_ = l.live[peak];
      if (after_ <= budget) break;
      const std::optional<Choice> best = choose(l, peak);
      if (!best) break;
      apply(l, *best);
      ++done;
    }
    return done;
  }
  double before() const { return before_; }
  double after() const { return after_; }
  size_t clones() const { return clones_.size(); }

 private:
  struct Choice {
    ValueId group = kNoValue;
    size_t reader = 0;                // clones go in front of it
    std::vector<size_t> again;        // nodes, in order
    double score = 0;
  };

  const Node& node(size_t i) const { return *entry_.body.nodes[i]; }
  double bytes(ValueId v) const { return estimated_bytes(entry_.value(v)); }

  bool may_run_again(const Node& n) const {
    return n.blocks.empty() && n.writes_state < 0 && !may_stop(entry_, n) && !clones_.contains(&n);
  }

  // Whether every State that n reads is still that of before the run at this position.
  bool reads_old_state(const Lives& l, const Node& n, size_t position) const {
    return std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) {
      const auto replaced = v == kNoValue ? l.replaced.end() : l.replaced.find(state_behind(l, v));
      return replaced == l.replaced.end() || replaced->second >= position;
    });
  }
  // The State that v is or is a view of, or -1.
  int32_t state_behind(const Lives& l, ValueId v) const {
    for (auto made = l.maker.find(v); made != l.maker.end() && (node(made->second).def->info.flags & kOpView) != 0; made = l.maker.find(v))
      v = node(made->second).inputs[0];
    return entry_.value(v).state;
  }

  double seconds(const Node& n) const {
    double moved = 0;
    if ((n.def->info.flags & kOpView) == 0)
      for (const auto* values : {&n.inputs, &n.outputs})
        for (const ValueId v : *values)
          if (v != kNoValue) moved += bytes(v);
    return static_cast<double>(macs_of(entry_, n)) / kMacsPerSecond + moved / kBytesPerSecond + 1e-7;
  }

  // The nodes to run again so that v is there in front of `reader`: down to values that are alive there anyway.
  bool need(const Lives& l, ValueId v, const Choice& c, bool forced, std::set<size_t>& again) const {
    const auto made = v == kNoValue ? l.maker.end() : l.maker.find(v);
    if (made == l.maker.end() || again.contains(made->second)) return true;
    const ValueId g = l.group(v);
    const bool there = g == kNoValue || (g != c.group && l.last.at(g) >= c.reader);
    if (there && !forced) return true;
    const Node& n = node(made->second);
    if (!may_run_again(n) || !reads_old_state(l, n, c.reader) || again.size() >= kMostClones) return false;
    for (const ValueId in : n.inputs)
      if (!need(l, in, c, false, again)) return false;
    again.insert(made->second);
    return true;
  }

  std::optional<Choice> choose(const Lives& l, size_t peak) const {
    std::optional<Choice> best;
    for (const auto& [g, reads] : l.reads) {
      if (l.maker.at(g) >= peak || reads.contains(peak) || reads.contains(entry_.body.nodes.size())) continue;
      const auto next = reads.upper_bound(peak);
      if (next == reads.end() || !may_run_again(node(l.maker.at(g)))) continue;
      Choice c{g, *next, {}, 0};
      std::set<size_t> again;
      bool possible = true;
      for (const ValueId v : l.members.at(g))
        if (const auto read = l.last_read.find(v); read != l.last_read.end() && read->second >= c.reader) possible = possible && need(l, v, c, true, again);
      if (!possible) continue;
      double work = 0, beside = 0;
      for (const size_t i : again) {
        work += seconds(node(i));
        for (const ValueId v : node(i).outputs)
          if (v != kNoValue && l.group(v) == v && v != g) beside += bytes(v);
      }
      if (l.live[c.reader] + beside >= l.live[peak]) continue;  // would only move the peak
      c.again.assign(again.begin(), again.end());
      c.score = bytes(g) / work;
      if (!best || c.score > best->score) best = std::move(c);
    }
    return best;
  }

  void apply(const Lives& l, const Choice& c) {
    std::map<ValueId, ValueId> copy_of;
    std::vector<std::unique_ptr<Node>> copies;
    for (const size_t i : c.again) {
      const Node& from = node(i);
      auto n = std::make_unique<Node>();
      n->def = from.def;
      n->attrs = from.attrs;
      n->name = from.name;
      n->origin = from.origin + " (computed again)";
      for (const ValueId v : from.inputs) n->inputs.push_back(copy_of.contains(v) ? copy_of.at(v) : v);
      for (const ValueId v : from.outputs) {
        if (v == kNoValue) {
          n->outputs.push_back(kNoValue);
          continue;
        }
        ir::Value value = entry_.value(v);
        value.name.clear();
        n->outputs.push_back(copy_of[v] = entry_.add_value(std::move(value)));
      }
      clones_.insert(n.get());
      copies.push_back(std::move(n));
    }
    const auto& members = l.members.at(c.group);
    for (size_t i = c.reader; i < entry_.body.nodes.size(); ++i) reread(*entry_.body.nodes[i], members, copy_of);
    auto& nodes = entry_.body.nodes;
    nodes.insert(nodes.begin() + static_cast<std::ptrdiff_t>(c.reader), std::make_move_iterator(copies.begin()), std::make_move_iterator(copies.end()));
  }

  static void reread(Node& n, const std::vector<ValueId>& members, const std::map<ValueId, ValueId>& copy_of) {
    const auto change = [&](ValueId& v) {
      if (std::find(members.begin(), members.end(), v) != members.end()) v = copy_of.at(v);
    };
    std::for_each(n.inputs.begin(), n.inputs.end(), change);
    for (ir::Block& b : n.blocks) {
      for (auto& inner : b.nodes) reread(*inner, members, copy_of);
      std::for_each(b.outputs.begin(), b.outputs.end(), change);
    }
  }

  ir::Entry& entry_;
  std::set<const Node*> clones_;
  double before_ = 0, after_ = 0;
};

}  // namespace

int recompute_for_memory(ir::Model& model, const PassOptions& options) {
  if (options.memory_budget == 0) return 0;
  int changes = 0;
  for (auto& e : model.entries) {
    Recomputer r(*e);
    const int here = r.run(static_cast<double>(options.memory_budget));
    changes += here;
    if (here > 0 && options.notes != nullptr)
      options.notes->push_back("entry '" + e->name + "': " + std::to_string(r.clones()) + " nodes are computed again; alive at once: " +
                               std::to_string(static_cast<int64_t>(r.after())) + " bytes instead of " + std::to_string(static_cast<int64_t>(r.before())));
  }
  return changes;
}

}  // namespace gf
