#include "graph/emit/state_writes.h"

#include <algorithm>
#include <map>

#include "schema/ops/add_rows.h"
#include "schema/ops/identity.h"
#include "schema/ops/pointwise.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

void count_readers(const ir::Block& block, std::map<ValueId, int>& readers) {
  for (const auto& n : block.nodes) {
    for (const ValueId v : n->inputs) ++readers[v];
    for (const ir::Block& b : n->blocks) count_readers(b, readers);
  }
  for (const ValueId v : block.outputs) ++readers[v];
}

// May give any of its outputs in memory that it does not share with an input, other than element by element.
bool may_write_state(const ir::Entry& entry, const Node& n, int32_t state) {
  const uint32_t flags = n.def->info.flags;
  if ((flags & (kOpView | kOpControlFlow | kOpDataShape)) != 0 || n.writes_state >= 0) return false;
  const bool by_element = (flags & kOpElementwise) != 0 || n.is<op::Pointwise>();
  if (by_element || !reads_state(entry, n, state)) return true;
  // a table gets rows in place; the rows come from elsewhere
  return n.is<op::AddRows>() && entry.value(n.inputs[1]).state != state && entry.value(n.inputs[2]).state != state;
}

}  // namespace

bool reads_state(const ir::Entry& entry, const Node& n, int32_t state) {
  if (std::any_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) { return v != kNoValue && entry.value(v).state == state; })) return true;
  for (const ir::Block& b : n.blocks)
    for (const auto& inner : b.nodes)
      if (reads_state(entry, *inner, state)) return true;
  return false;
}

bool may_stop(const ir::Entry& entry, const Node& n) {
  const uint32_t flags = n.def->info.flags;
  if ((flags & (kOpControlFlow | kOpDataShape | kOpDataErrors)) != 0) return true;
  for (const auto* values : {&n.inputs, &n.outputs})
    for (const ValueId v : *values) {
      if (v == kNoValue) continue;
      const ir::Value& value = entry.value(v);
      bool bounded = value.shape_known;
      for (int d = 0; bounded && d < value.shape.rank; ++d) bounded = value.shape[d].hi != kUnbounded;
      if (!bounded || ((flags & kOpIntegerErrors) != 0 && dtype_is_int(value.dtype))) return true;
    }
  return false;
}

std::vector<StateWrite> elided_writes(const ir::Entry& entry) {
  const auto& nodes = entry.body.nodes;
  std::map<ValueId, size_t> maker;
  std::map<ValueId, int> readers;
  count_readers(entry.body, readers);
  size_t last_stop = 0;  // one past it
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId v : nodes[i]->outputs)
      if (v != kNoValue) maker[v] = i;
    if (may_stop(entry, *nodes[i])) last_stop = i + 1;
  }
  std::vector<StateWrite> writes;
  for (const auto& copy : nodes) {
    if (copy->writes_state < 0 || !copy->is<op::Identity>()) continue;
    const ValueId v = copy->inputs[0];
    const auto made = maker.find(v);
    if (made == maker.end() || readers[v] != 1 || readers[copy->outputs[0]] != 0 || made->second < last_stop) continue;
    const Node& n = *nodes[made->second];
    if (!may_write_state(entry, n, copy->writes_state)) continue;
    const bool read_later = std::any_of(nodes.begin() + static_cast<ptrdiff_t>(made->second) + 1, nodes.end(), [&](const auto& m) {
      return reads_state(entry, *m, copy->writes_state);
    });
    if (!read_later) writes.push_back({copy.get(), &n});
  }
  return writes;
}

namespace {
constexpr const char* kTrainSteps = "train_steps";
}

void mark_train_step(ir::Model& model, const std::string& entry) {
  if (is_train_step(model, entry)) return;
  for (auto& [key, value] : model.metadata)
    if (key == kTrainSteps) {
      value += "\n" + entry;
      return;
    }
  model.metadata.emplace_back(kTrainSteps, entry);
}

bool is_train_step(const ir::Model& model, const std::string& entry) {
  for (const auto& [key, value] : model.metadata)
    if (key == kTrainSteps && ("\n" + value + "\n").find("\n" + entry + "\n") != std::string::npos) return true;
  return false;
}

}  // namespace gf
