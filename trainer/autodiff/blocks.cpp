#include "trainer/autodiff/blocks.h"

#include <algorithm>
#include <unordered_set>

#include "graph/ir/builder.h"
#include "schema/ops/concat.h"
#include "schema/ops/identity.h"
#include "schema/ops/unsqueeze.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::ValueId;
using Map = std::unordered_map<ValueId, ValueId>;

constexpr size_t kMostNodes = 1 << 16;

void collect(const ir::Block& block, std::unordered_set<ValueId>& known, std::vector<ValueId>& found) {
  const auto read = [&](ValueId v) {
    if (v != kNoValue && known.insert(v).second) found.push_back(v);
  };
  known.insert(block.inputs.begin(), block.inputs.end());
  for (const auto& n : block.nodes) {
    for (const ValueId v : n->inputs) read(v);
    for (const ir::Block& inner : n->blocks) collect(inner, known, found);
    known.insert(n->outputs.begin(), n->outputs.end());
  }
  for (const ValueId v : block.outputs) read(v);
}

size_t count_nodes(const ir::Block& block) {
  size_t count = block.nodes.size();
  for (const auto& n : block.nodes)
    for (const ir::Block& inner : n->blocks) count += count_nodes(inner);
  return count;
}

ValueId mapped(const Map& values, ValueId v) {
  const auto it = values.find(v);
  return it == values.end() ? v : it->second;
}
std::vector<ValueId> mapped(const Map& values, std::vector<ValueId> list) {
  for (ValueId& v : list) v = mapped(values, v);
  return list;
}
ValueId fresh(ir::Entry& entry, Map& values, ValueId v) {
  if (v == kNoValue) return v;
  ir::Value copy = entry.value(v);
  copy.name.clear();
  return values[v] = entry.add_value(std::move(copy));
}

bool holds(const ir::Entry& entry, ValueId v) {
  if (!entry.value(v).constant) return false;
  const auto list = ir::constant_ints(*entry.value(v).constant, 1);
  return list && !list->empty() && (*list)[0] != 0;
}

// Rounds of a loop that nothing ends earlier.
int64_t rounds_of(const ir::Entry& entry, const ir::Node& n) {
  const ir::Block& body = n.blocks.at(0);
  const bool starts = n.inputs.at(1) == kNoValue || holds(entry, n.inputs[1]);
  ValueId condition = body.outputs.at(0);
  for (auto it = body.nodes.rbegin(); it != body.nodes.rend(); ++it)  // files hold copies of inputs that are outputs
    if ((*it)->is<op::Identity>() && (*it)->output() == condition) condition = (*it)->input(0);
  const bool stays = condition == body.inputs.at(1) || holds(entry, condition);
  const ValueId trips = n.inputs.at(0);
  if (trips != kNoValue && starts && stays) {
    const ir::Value& v = entry.value(trips);
    if (v.values_known && v.values.size() == 1 && v.values[0].is_const()) return v.values[0].lo;
    if (v.constant)
      if (const auto list = ir::constant_ints(*v.constant, 1); list && !list->empty()) return (*list)[0];
  }
  throw Exception(Error::Unsupported, n.origin + ": the gradient of a loop whose number of rounds is not a constant");
}

}  // namespace

std::vector<ValueId> captured_values(const ir::Node& n) {
  std::vector<ValueId> found;
  std::unordered_set<ValueId> known;
  for (const ir::Block& block : n.blocks) collect(block, known, found);
  return found;
}

bool is_random(const ir::Block& block) {
  return std::any_of(block.nodes.begin(), block.nodes.end(), [](const auto& n) {
    return (n->def->info.flags & kOpRandom) != 0 || std::any_of(n->blocks.begin(), n->blocks.end(), is_random);
  });
}

ir::Block copy_block(ir::Entry& entry, const ir::Block& block, Map& values) {
  ir::Block copy;
  for (const ValueId v : block.inputs) copy.inputs.push_back(values.contains(v) ? values[v] : fresh(entry, values, v));
  for (const auto& n : block.nodes) {
    auto made = std::make_unique<ir::Node>();
    made->def = n->def;
    made->attrs = n->attrs;
    made->name = n->name;
    made->origin = n->origin;
    made->inputs = mapped(values, n->inputs);
    for (const ir::Block& inner : n->blocks) made->blocks.push_back(copy_block(entry, inner, values));
    for (const ValueId v : n->outputs) made->outputs.push_back(fresh(entry, values, v));
    ir::infer_node(entry, *made);
    copy.nodes.push_back(std::move(made));
  }
  copy.outputs = mapped(values, block.outputs);
  return copy;
}

size_t unroll_loop(ir::Entry& entry, ir::Block& block, size_t at) {
  const ir::Node& n = *block.nodes[at];
  const ir::Block& body = n.blocks.at(0);
  const size_t carried_count = n.inputs.size() - 2, scans = body.outputs.size() - 1 - carried_count;
  ir::Block made;
  const int64_t rounds = rounds_of(entry, n);
  if (rounds > 0 && static_cast<uint64_t>(rounds) > kMostNodes / std::max<size_t>(count_nodes(body), 1))
    throw Exception(Error::LimitExceeded, n.origin + ": the gradient of a loop of more than 65536 nodes written out");
  ir::Builder b(entry, made);
  b.set_origin(n.name, n.origin);
  std::vector<ValueId> carried(n.inputs.begin() + 2, n.inputs.end());
  std::vector<std::vector<ValueId>> stacked(scans);
  static constexpr int64_t kFirst[] = {0};
  for (int64_t round = 0; round < rounds; ++round) {
    Map values;
    values[body.inputs[0]] = b.int_scalar(round);
    const std::byte yes{1};
    values[body.inputs[1]] = entry.add_constant(ir::make_splat(DType::Bool, {}, {&yes, 1}));
    for (size_t k = 0; k < carried_count; ++k) values[body.inputs[k + 2]] = carried[k];
    ir::Block copy = copy_block(entry, body, values);
    for (auto& node : copy.nodes) made.nodes.push_back(std::move(node));
    for (size_t k = 0; k < carried_count; ++k) carried[k] = copy.outputs[k + 1];
    for (size_t k = 0; k < scans; ++k)
      stacked[k].push_back(b.add<op::Unsqueeze>({copy.outputs[k + 1 + carried_count]}, {.axes = kFirst}));
  }
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    if (n.outputs[k] == kNoValue) continue;
    ValueId result = kNoValue;
    if (k < carried_count) result = carried[k];
    else if (rounds > 0) result = b.add<op::Concat>(stacked[k - carried_count], {.axis = 0});
    else throw Exception(Error::Unsupported, n.origin + ": the gradient of what a loop without rounds stacks");
    ir::Node& last = b.node<op::Identity>({result});
    last.outputs[0] = n.outputs[k];
    if (k == 0) last.writes_state = n.writes_state;
    ir::infer_node(entry, last);
  }
  const size_t count = made.nodes.size();
  const auto place = block.nodes.begin() + static_cast<std::ptrdiff_t>(at);
  block.nodes.insert(block.nodes.erase(place), std::make_move_iterator(made.nodes.begin()), std::make_move_iterator(made.nodes.end()));
  return count;
}

}  // namespace gf
