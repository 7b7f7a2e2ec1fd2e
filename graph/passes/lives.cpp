#include "graph/passes/lives.h"

#include <algorithm>

#include "graph/passes/rewrite.h"

namespace gf {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

Lives::Lives(const ir::Entry& entry) {
  const auto& nodes = entry.body.nodes;
  const size_t count = nodes.size();
  for (size_t i = 0; i < count; ++i)
    for (const ValueId v : nodes[i]->outputs) {
      if (v == kNoValue) continue;
      maker[v] = i;
      const bool view = (nodes[i]->def->info.flags & kOpView) != 0;
      const ValueId g = view ? group(nodes[i]->inputs[0]) : v;
      root[v] = g;
      if (g != kNoValue) members[g].push_back(v);
    }
  for (size_t i = 0; i < count; ++i) {
    std::set<ValueId> inputs;
    all_inputs(*nodes[i], inputs);
    for (const ValueId v : inputs) {
      last_read[v] = i;
      if (const ValueId g = group(v); g != kNoValue) reads[g].insert(i);
    }
    if (nodes[i]->writes_state < 0) continue;
    const auto made = maker.find(nodes[i]->input(0));
    replaced[nodes[i]->writes_state] = made == maker.end() ? i : made->second;  // written once
  }
  for (const ValueId v : entry.body.outputs)
    if (const ValueId g = group(v); g != kNoValue) reads[g].insert(count);
  live.assign(count + 1, 0);
  for (const auto& [g, values] : members) {
    const size_t first = maker.at(g);
    const auto read = reads.find(g);
    const double bytes = estimated_bytes(entry.value(g));
    last[g] = read == reads.end() ? first : *read->second.rbegin();
    live[first] += bytes;
    if (last[g] + 1 < live.size()) live[last[g] + 1] -= bytes;
  }
  for (size_t i = 1; i < live.size(); ++i) live[i] += live[i - 1];
  live.pop_back();
}

size_t Lives::peak() const { return static_cast<size_t>(std::max_element(live.begin(), live.end()) - live.begin()); }

}  // namespace gf
