#include "trainer/step/splice.h"

#include <algorithm>
#include <map>

#include "schema/ops/flatten.h"
#include "schema/ops/identity.h"
#include "schema/ops/reshape.h"
#include "schema/ops/softmax.h"
#include "trainer/step/globs.h"

namespace gf {

using ir::kNoValue;
using ir::ValueId;

std::vector<ValueId> splice(ir::Entry& into, const ir::Model& owner, const ir::Entry& from, const std::vector<ValueId>& inputs, const std::string& origin) {
  std::map<ValueId, ValueId> known;
  for (size_t i = 0; i < inputs.size(); ++i) known[from.body.inputs[i]] = inputs[i];
  const auto constant_of = [&](const ir::Value& v) {
    if (v.state < 0) return v.constant;
    const ir::StateVar& s = owner.states[static_cast<size_t>(v.state)];
    if (s.initial != nullptr) return s.initial;
    const std::vector<std::byte> zero(dtype_bits(s.dtype) / 8);
    return ir::make_splat(s.dtype, s.dims, zero);
  };
  const auto of = [&](ValueId v) {
    if (v == kNoValue) return v;
    const auto [it, is_new] = known.try_emplace(v, kNoValue);
    if (is_new) it->second = into.add_constant(constant_of(from.value(v)));
    return it->second;
  };
  for (const auto& n : from.body.nodes) {
    if (!n->blocks.empty()) throw Exception(Error::Unsupported, origin + ": " + n->origin + " has sub-graphs");
    auto copy = std::make_unique<ir::Node>();
    copy->def = n->def;
    copy->attrs = n->attrs;
    copy->origin = origin;
    for (const ValueId v : n->inputs) copy->inputs.push_back(of(v));
    for (const ValueId v : n->outputs) copy->outputs.push_back(v == kNoValue ? v : known[v] = into.add_value({}));
    ir::infer_node(into, *copy);
    into.body.nodes.push_back(std::move(copy));
  }
  std::vector<ValueId> outputs;
  for (const ValueId v : from.body.outputs) outputs.push_back(of(v));
  return outputs;
}

namespace {

const ir::Node* maker(const ir::Entry& entry, ValueId v) {
  for (const auto& n : entry.body.nodes)
    if (n->output() == v) return n.get();
  return nullptr;
}
bool is_one(const Dim& d) { return d.is_const() && d.lo == 1; }

}  // namespace

ValueId behind_copies(const ir::Entry& entry, ValueId v) {
  for (const ir::Node* n = maker(entry, v); n != nullptr && n->is<op::Identity>(); n = maker(entry, v)) v = n->inputs[0];
  return v;
}

ValueId before_softmax(const ir::Entry& entry, ValueId v, int axis) {
  const auto along = [&](const ir::Node& n, int wanted) {
    const int rank = entry.value(n.outputs[0]).shape.rank;
    return n.is<op::Softmax>() && (ir::attrs_of<op::Softmax>(n).axis + rank) % rank == wanted;
  };
  const ir::Node* last = maker(entry, behind_copies(entry, v));
  if (last == nullptr) return v;
  if (along(*last, axis)) return last->inputs[0];
  // before opset 13: [N, C, 1, 1] as [N, C], and back
  const ir::Node* softmax = last->is<op::Reshape>() ? maker(entry, last->inputs[0]) : nullptr;
  const ir::Node* first = softmax != nullptr && along(*softmax, 1) ? maker(entry, softmax->inputs[0]) : nullptr;
  if (first == nullptr || (!first->is<op::Flatten>() && !first->is<op::Reshape>()) || axis != 1 || entry.value(softmax->inputs[0]).shape.rank != 2) return v;
  const DimShape &from = entry.value(first->inputs[0]).shape, &flat = entry.value(softmax->inputs[0]).shape, &to = entry.value(v).shape;
  if (from.rank != to.rank || from.rank < 2) return v;
  for (int d = 0; d < from.rank; ++d)
    if (d < 2 ? !from[d].same(flat[d]) || !from[d].same(to[d]) : !is_one(from[d]) || !is_one(to[d])) return v;
  return first->inputs[0];
}

ValueId add_teacher(ir::Entry& student, const Teacher& teacher, int axis) {
  const ir::Entry* const from = teacher.model->find(teacher.entry);
  if (from == nullptr) throw Exception(Error::NotFound, "the teacher has no entry '" + teacher.entry + "'");
  std::vector<std::string> names;
  for (const ValueId v : student.body.inputs) names.push_back(student.value(v).name);
  std::vector<ValueId> inputs;
  for (const ValueId v : from->body.inputs) {
    const auto at = std::find(names.begin(), names.end(), from->value(v).name);
    if (at != names.end()) inputs.push_back(student.body.inputs[static_cast<size_t>(at - names.begin())]);
    else if (from->body.inputs.size() == 1 && !names.empty()) inputs.push_back(student.body.inputs[0]);
    else throw Exception(Error::NotFound, "the teacher reads '" + from->value(v).name + "'; the student has " + listed(names));
  }
  std::vector<std::string> outputs;
  for (const ValueId v : from->body.outputs) outputs.push_back(from->value(v).name);
  const auto at = teacher.output.empty() && outputs.size() == 1 ? outputs.begin() : std::find(outputs.begin(), outputs.end(), teacher.output);
  if (at == outputs.end()) throw Exception(Error::NotFound, "the teacher has no output '" + teacher.output + "': say which one holds its scores: " + listed(outputs));
  const auto before = static_cast<std::ptrdiff_t>(student.body.nodes.size());
  const ValueId scores = splice(student, *teacher.model, *from, inputs, "the teacher")[static_cast<size_t>(at - outputs.begin())];
  auto& nodes = student.body.nodes;
  std::rotate(nodes.begin(), nodes.begin() + before, nodes.end());
  return before_softmax(student, scores, axis);
}

void replace_input(ir::Entry& entry, const std::string& name, ValueId by) {
  const auto at = std::find_if(entry.body.inputs.begin(), entry.body.inputs.end(), [&](ValueId v) { return entry.value(v).name == name; });
  const ValueId input = *at;
  entry.body.inputs.erase(at);
  ir::replace_uses(entry, input, by);
}

}  // namespace gf
