#include "facade/inspect.h"

#include <algorithm>
#include <set>

#include "facade/node_attrs.h"
#include "runtime/platform/memory.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"

namespace gf {
namespace {

std::vector<int64_t> shape_of(const fb::Tensor& t) {
  std::vector<int64_t> shape;
  for (uint32_t d = 0; d < size_of(t.dims()); ++d) shape.push_back(t.dims()->Get(d)->bound());
  return shape;
}

// Absent inputs have rank 0, as in NodeShapes.
std::vector<Shape> fixed_shapes(const std::vector<std::vector<int64_t>>& shapes) {
  std::vector<Shape> fixed(shapes.size());
  for (size_t i = 0; i < shapes.size(); ++i)
    for (const int64_t d : shapes[i]) fixed[i].dims[fixed[i].rank++] = d;
  return fixed;
}

void add_values(const fb::Entry& entry, const flatbuffers::Vector<int32_t>* ids,
                std::vector<std::vector<int64_t>>& shapes, std::set<DType>& types) {
  for (uint32_t i = 0; i < size_of(ids); ++i) {
    const int32_t id = ids->Get(i);
    if (id < 0) {
      shapes.emplace_back();
      continue;
    }
    const fb::Tensor& t = *entry.tensors()->Get(static_cast<uint32_t>(id));
    shapes.push_back(shape_of(t));
    types.insert(static_cast<DType>(t.dtype()));
  }
}

NodeInfo node_info(const Program& program, const fb::Entry& entry, const fb::Node& node, size_t index, bool nested) {
  NodeInfo n;
  const fb::Op& op = *program.raw().ops()->Get(node.op());
  const std::string op_name = text(op.name());
  n.def = resolve_op(program.ops(), op.id(), op_name);
  n.op = n.def != nullptr ? n.def->info.name : op_name;
  n.name = text(node.name());
  if (n.name.empty()) n.name = text(node.origin());
  if (n.name.empty()) n.name = "#" + std::to_string(index);
  std::set<DType> types;
  add_values(entry, node.inputs(), n.inputs, types);
  add_values(entry, node.outputs(), n.outputs, types);
  n.dtypes.assign(types.begin(), types.end());
  if (n.def != nullptr && n.def->macs != nullptr) {
    const NodeAttrs attrs(node, *n.def);
    const std::vector<Shape> inputs = fixed_shapes(n.inputs), outputs = fixed_shapes(n.outputs);
    n.macs = n.def->macs({inputs, outputs}, attrs.get());
  }
  if (n.def != nullptr)
    for (const AttrField& field : n.def->fields)
      if (field.name == std::string_view("activation")) n.activation = static_cast<int>(field.load(NodeAttrs(node, *n.def).get()).i);
  n.nested = nested;
  return n;
}

}  // namespace

std::vector<NodeInfo> list_nodes(const Program& program, int entry_index) {
  std::vector<NodeInfo> nodes;
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  for (uint32_t g = 0; g < size_of(entry.graphs()); ++g) {
    const fb::Graph& graph = *entry.graphs()->Get(g);
    for (uint32_t i = 0; i < size_of(graph.nodes()); ++i)
      nodes.push_back(node_info(program, entry, *graph.nodes()->Get(i), nodes.size(), g > 0));
  }
  return nodes;
}

uint64_t total_macs(const std::vector<NodeInfo>& nodes) {
  uint64_t sum = 0;
  for (const NodeInfo& n : nodes) sum += n.macs;
  return sum;
}

std::vector<int> states_of(const Program& program, int entry_index) {
  std::set<int> found;
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i)
    if (entry.tensors()->Get(i)->kind() == format::kState)
      found.insert(static_cast<int>(entry.tensors()->Get(i)->index()));
  return {found.begin(), found.end()};
}

FileInfo file_info(const Program& program) {
  const fb::Model& m = program.raw();
  FileInfo info{m.version_major(), m.version_minor(), {}, {}, size_of(m.constants())};
  for (uint32_t i = 0; i < size_of(m.metadata()); ++i)
    info.metadata.emplace_back(text(m.metadata()->Get(i)->key()), text(m.metadata()->Get(i)->value()));
  for (uint32_t i = 0; i < size_of(m.sections()); ++i) {
    const fb::Section& s = *m.sections()->Get(i);
    const uint64_t bytes = s.segment() < size_of(m.segments()) ? m.segments()->Get(s.segment())->bytes() : 0;
    info.sections.push_back({text(s.kind()), s.required(), bytes});
  }
  return info;
}

uint64_t process_rss_bytes() { return current_rss_bytes(); }
uint64_t process_peak_rss_bytes() { return peak_rss_bytes(); }

}  // namespace gf
