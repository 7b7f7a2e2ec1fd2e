#include "trainer/parallel/step_transfers.h"

#include <algorithm>
#include <map>

#include "graph/passes/rewrite.h"
#include "schema/ops/add.h"
#include "trainer/optim/graph_update.h"
#include "trainer/parallel/ops.h"

namespace gf::parallel {

using ir::kNoValue;
using ir::ValueId;

namespace {

constexpr size_t kEnd = static_cast<size_t>(-1);

std::vector<int64_t> dims_of(const ir::Value& v) {
  std::vector<int64_t> dims;
  for (int d = 0; d < v.shape.rank; ++d) {
    if (!v.shape[d].is_const()) throw Exception(Error::ShapeMismatch, "'" + v.name + "' has no constant shape: it cannot go over ranks");
    dims.push_back(v.shape[d].lo);
  }
  return dims;
}
int64_t count_of_value(const ir::Value& v) {
  int64_t count = 1;
  for (const int64_t d : dims_of(v)) count *= d;
  return count;
}

}  // namespace

size_t StepTransfers::behind(const std::vector<ValueId>& values) const {
  const auto& nodes = entry_.body.nodes;
  for (size_t i = nodes.size(); i-- > 0;)
    for (const ValueId v : nodes[i]->outputs)
      if (v != kNoValue && std::find(values.begin(), values.end(), v) != values.end()) return i + 1;
  return 0;
}

std::vector<std::vector<size_t>> StepTransfers::buckets(const std::vector<Gradient>& gradients) const {
  std::map<ValueId, size_t> made;
  for (size_t i = 0; i < entry_.body.nodes.size(); ++i)
    for (const ValueId v : entry_.body.nodes[i]->outputs) made[v] = i + 1;
  std::vector<size_t> order(gradients.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto place = [&](size_t i) {
    const auto at = made.find(gradients[i].value);
    return at == made.end() ? 0 : at->second;
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return place(a) < place(b); });
  std::vector<std::vector<size_t>> full;
  struct Open {
    std::vector<size_t> members;
    int64_t bytes = 0;
  };
  std::map<std::pair<size_t, DType>, Open> open;
  for (const size_t i : order) {
    const ir::Value& v = entry_.value(gradients[i].value);
    Open& o = open[{gradients[i].group, v.dtype}];
    o.members.push_back(i);
    o.bytes += count_of_value(v) * dtype_bits(v.dtype) / 8;
    if (o.bytes < settings_.bucket_bytes) continue;
    full.push_back(std::move(o.members));
    o = {};
  }
  for (auto& [key, o] : open)
    if (!o.members.empty()) full.push_back(std::move(o.members));
  return full;
}

int64_t StepTransfers::count_of(const std::vector<ValueId>& values) const {
  int64_t count = 0;
  for (const ValueId v : values) count += count_of_value(entry_.value(v));
  return count;
}
int64_t StepTransfers::part_count(const std::vector<ValueId>& values) const { return rounded(count_of(values)) / settings_.ranks; }

size_t StepTransfers::begin(const std::vector<ValueId>& values, bool mean, bool part) {
  const auto number = static_cast<int64_t>(transfers_.size());
  b_.set_origin("transfer " + std::to_string(number), "transfer " + std::to_string(number) + " between ranks");
  b_.insert_at(behind(values));
  Reduce::Attrs a;
  a.bucket = number;
  a.count = part ? rounded(count_of(values)) : count_of(values);
  a.ranks = part ? settings_.ranks : 0;
  Transfer t{b_.add<Reduce>(values, a), {}, a.ranks, mean, 1};
  b_.insert_at(kEnd);
  if (part) {
    t.shapes = {1, a.count / a.ranks};
  } else {
    t.results = values.size();
    for (const ValueId v : values) {
      const std::vector<int64_t> dims = dims_of(entry_.value(v));
      t.shapes.push_back(static_cast<int64_t>(dims.size()));
      t.shapes.insert(t.shapes.end(), dims.begin(), dims.end());
    }
  }
  transfers_.push_back(std::move(t));
  return transfers_.size() - 1;
}
size_t StepTransfers::reduce(const std::vector<ValueId>& values, bool mean) { return begin(values, mean, false); }
size_t StepTransfers::reduce_part(const std::vector<ValueId>& values, bool mean) { return begin(values, mean, true); }

std::vector<ValueId> StepTransfers::wait(size_t transfer) { return wait(transfer, kNoValue); }
std::vector<ValueId> StepTransfers::wait(size_t transfer, ValueId after) {
  const Transfer& t = transfers_[transfer];
  b_.set_origin("transfer " + std::to_string(transfer), "end of transfer " + std::to_string(transfer) + " between ranks");
  std::vector<ValueId> inputs = {t.buffer};
  if (after != kNoValue) inputs.push_back(after);
  return b_.node<Wait>(inputs, {.bucket = static_cast<int64_t>(transfer), .ranks = t.ranks, .mean = t.mean, .shapes = t.shapes}, t.results).outputs;
}

ValueId StepTransfers::part(const std::vector<ValueId>& values) {
  b_.set_origin("part of parameters", "this rank's part of parameters");
  return b_.add<Part>(values, {.count = rounded(count_of(values)), .ranks = settings_.ranks});
}

size_t StepTransfers::gather(ValueId part, const std::vector<ValueId>& like) {
  const auto number = static_cast<int64_t>(transfers_.size());
  b_.set_origin("transfer " + std::to_string(number), "transfer " + std::to_string(number) + " between ranks");
  Transfer t{b_.add<Gather>({part}, {.bucket = number, .ranks = settings_.ranks}), {}, 0, false, like.size()};
  for (const ValueId v : like) {
    const std::vector<int64_t> dims = dims_of(entry_.value(v));
    t.shapes.push_back(static_cast<int64_t>(dims.size()));
    t.shapes.insert(t.shapes.end(), dims.begin(), dims.end());
  }
  transfers_.push_back(std::move(t));
  gathers_.push_back(transfers_.size() - 1);
  return gathers_.size() - 1;
}
std::vector<std::vector<ValueId>> StepTransfers::wait_gathered() {
  std::vector<std::vector<ValueId>> results;
  for (const size_t t : gathers_) results.push_back(wait(t, t == gathers_.back() ? kNoValue : transfers_[gathers_.back()].buffer));
  return results;
}

void StepTransfers::count_all(ir::Node& write, ValueId state) {
  if (entry_.value(state).dtype != DType::I64) return;
  int64_t by = 0;
  const ir::Uses uses(entry_);
  for (ValueId v = write.inputs[0]; v != state;) {  // state + a constant + ...
    const ir::Node* const n = uses.producer(v);
    if (n == nullptr || !n->is<op::Add>()) return;
    const bool first = !entry_.value(n->inputs[0]).is_constant();
    const ir::Value& more = entry_.value(n->inputs[first ? 1 : 0]);
    const auto number = more.is_constant() ? ir::constant_ints(*more.constant, 1) : std::nullopt;
    if (!number || number->size() != 1) return;
    by += number->front();
    v = n->inputs[first ? 0 : 1];
  }
  b_.set_origin(entry_.value(state).name, "count of all ranks' runs");
  b_.insert_at(0);
  ir::Node& own = b_.node<Count>({state}, {.by = by, .all = false});
  ir::Node& all = b_.node<Count>({state}, {.by = by, .all = true});
  b_.insert_at(kEnd);
  ir::replace_uses(entry_, state, own.outputs[0]);
  own.inputs[0] = all.inputs[0] = state;
  write.inputs[0] = all.outputs[0];
}

void check_elementwise(const optim::Optimizer& rule, int rank, const OpTable& ops) {
  const auto refuse = [&] {
    throw Exception(Error::Unsupported, std::string(rule.name()) + ": its update of a number hangs on the others of its tensor, so its state cannot be shared out over ranks (ZeRO-1); "
                                                                   "use an elementwise optimizer (sgd, adam, adamw, lion, ...) or leave sharding out");
  };
  ir::Entry entry;
  const auto input = [&](DType type, const std::vector<int64_t>& dims) {
    DimShape shape;
    for (const int64_t d : dims) shape.push(Dim(d));
    return entry.add_input("", type, shape);
  };
  const std::vector<int64_t> dims(static_cast<size_t>(rank), 2);
  optim::UpdateValues values{input(DType::F32, dims), input(DType::F32, dims), {}, input(DType::F64, {}), input(DType::F64, {})};
  const auto slots = rule.slots(rank);
  if (slots.size() != rule.slots(1).size()) refuse();
  for (const optim::Slot& s : slots) {
    if (s.shape != optim::Slot::Shape::Parameter && s.shape != optim::Slot::Shape::Number) refuse();
    values.slots.push_back(input(optim::slot_dtype(s, DType::F32), optim::slot_dims(s, dims)));
  }
  optim::GraphUpdate update(entry, entry.body, ops, "probe", values);
  update.apply(rule);
  for (const auto& n : entry.body.nodes) {
    const bool scalars = std::all_of(n->inputs.begin(), n->inputs.end(), [&](ValueId v) { return v == kNoValue || entry.value(v).shape.rank == 0; });
    if (!scalars && !is_elementwise(*n)) refuse();
  }
}

}  // namespace gf::parallel
