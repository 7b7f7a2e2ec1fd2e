// State writes of a train step: a node whose result only replaces a State runs as soon as that is right, so that gradients do
// not stay alive until the end. The copy that stands for the write (an identity) follows it; emit() lets the node write the
// State itself (graph/emit/state_writes.h).
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

// First position behind everything that must come before the write: what it reads, who else reads the States it replaces, and
// every node that its data may stop (from the first write on nothing may).
size_t earliest(const ir::Entry& entry, const std::vector<const Node*>& group, const std::map<const Node*, size_t>& place,
                size_t after_stops) {
  size_t at = after_stops;
  const Node& maker = *group.front();
  const auto in_group = [&](const Node& n) { return std::find(group.begin(), group.end(), &n) != group.end(); };
  for (const auto& n : entry.body.nodes) {
    if (in_group(*n)) continue;
    const bool feeds = std::any_of(n->outputs.begin(), n->outputs.end(), [&](ValueId v) {
      return v != kNoValue && std::find(maker.inputs.begin(), maker.inputs.end(), v) != maker.inputs.end();
    });
    const bool reads = std::any_of(group.begin() + 1, group.end(), [&](const Node* w) { return reads_state(entry, *n, w->writes_state); });
    if (feeds || reads) at = std::max(at, place.at(n.get()) + 1);
  }
  return at;
}

constexpr double kScalarBytes = 64;

// Numbers that hang on State, inputs and constants alone (the step, the bias corrections of Adam) come first: updates must not wait for them.
void numbers_first(ir::Entry& entry) {
  auto& nodes = entry.body.nodes;
  std::set<ValueId> made, early;
  for (const auto& n : nodes) made.insert(n->outputs.begin(), n->outputs.end());
  const auto comes_first = [&](const std::unique_ptr<Node>& n) {
    const auto there = [&](ValueId v) { return v == kNoValue || !made.contains(v) || early.contains(v); };
    const auto small = [&](ValueId v) { return v == kNoValue || estimated_bytes(entry.value(v)) <= kScalarBytes; };
    if (!n->blocks.empty() || n->writes_state >= 0 || (n->def->info.flags & kOpRandom) != 0 || may_stop(entry, *n) ||
        !std::all_of(n->inputs.begin(), n->inputs.end(), there) || !std::all_of(n->outputs.begin(), n->outputs.end(), small))
      return false;
    early.insert(n->outputs.begin(), n->outputs.end());
    return true;
  };
  std::vector<std::unique_ptr<Node>> first, rest;
  for (auto& n : nodes) {
    auto& to = comes_first(n) ? first : rest;
    to.push_back(std::move(n));
  }
  first.insert(first.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  nodes = std::move(first);
}

int place_writes(ir::Entry& entry) {
  auto& nodes = entry.body.nodes;
  if (std::none_of(nodes.begin(), nodes.end(), [](const auto& n) { return n->writes_state >= 0; })) return 0;
  numbers_first(entry);
  size_t after_stops = 0;
  std::map<const Node*, size_t> place;
  for (size_t i = 0; i < nodes.size(); ++i) {
    place[nodes[i].get()] = i;
    if (may_stop(entry, *nodes[i])) after_stops = i + 1;
  }
  // a maker and its writes: [maker, identity, ...]
  std::map<const Node*, std::vector<const Node*>> groups;
  for (const StateWrite& w : elided_writes(entry)) {
    auto& group = groups[w.maker];
    if (group.empty()) group.push_back(w.maker);
    group.push_back(w.copy);
  }
  std::multimap<size_t, const Node*> moved;  // by the position in front of which the group goes
  std::map<const Node*, bool> leaves;
  int changes = 0;
  for (const auto& n : nodes) {
    const auto it = groups.find(n.get());
    if (it == groups.end()) continue;
    const size_t at = earliest(entry, it->second, place, after_stops);
    if (at > place.at(n.get())) continue;
    moved.emplace(at, n.get());
    for (const Node* m : it->second) leaves[m] = true;
    changes += at < place.at(n.get()) ? 1 : 0;
  }
  if (changes == 0) return 0;
  std::map<const Node*, std::unique_ptr<Node>> taken;
  for (auto& n : nodes)
    if (const Node* key = n.get(); leaves.contains(key)) taken[key] = std::move(n);
  std::vector<std::unique_ptr<Node>> ordered;
  for (size_t i = 0; i <= nodes.size(); ++i) {
    const auto [begin, end] = moved.equal_range(i);
    for (auto it = begin; it != end; ++it)
      for (const Node* m : groups.at(it->second)) ordered.push_back(std::move(taken.at(m)));
    if (i < nodes.size() && nodes[i] != nullptr) ordered.push_back(std::move(nodes[i]));
  }
  nodes = std::move(ordered);
  return changes;
}

}  // namespace

int place_state_writes(ir::Model& model, const PassOptions&) {
  int changes = 0;
  for (auto& e : model.entries) changes += place_writes(*e);
  return changes;
}

}  // namespace gf
