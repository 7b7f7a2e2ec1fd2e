#include "tools/common/program_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>

#include "schema/format/format.h"
#include "schema/format/model_generated.h"

namespace gf::cli {
namespace {

std::string text(const flatbuffers::String* s) { return s != nullptr ? s->str() : std::string(); }
template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

std::vector<int64_t> shape_of(const fb::Tensor& t) {
  std::vector<int64_t> shape;
  for (uint32_t d = 0; d < size_of(t.dims()); ++d) shape.push_back(t.dims()->Get(d)->bound());
  return shape;
}

// Attributes of a verified node.
class Attrs {
 public:
  Attrs(const fb::Node& node, const OpDef& def) : bytes_((def.attrs_bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t) + 1) {
    def.construct(bytes_.data());
    ErrorDetail detail;
    if (decode_attrs(node, def, bytes_.data(), &detail, -1) != Error::Ok) throw Exception(Error::BadAttribute, detail.text);
  }
  const void* get() const { return bytes_.data(); }

 private:
  std::vector<std::max_align_t> bytes_;
};

void add_values(const fb::Entry& entry, const flatbuffers::Vector<int32_t>* ids, std::vector<std::vector<int64_t>>& shapes,
                std::vector<std::string>& names, std::set<DType>& types) {
  for (uint32_t i = 0; i < size_of(ids); ++i) {
    const int32_t id = ids->Get(i);
    if (id < 0) {
      shapes.emplace_back();
      names.emplace_back();
      continue;
    }
    const fb::Tensor& t = *entry.tensors()->Get(static_cast<uint32_t>(id));
    shapes.push_back(shape_of(t));
    names.push_back(text(t.name()));
    types.insert(static_cast<DType>(t.dtype()));
  }
}

NodeInfo node_info(const Program& program, const fb::Entry& entry, const fb::Node& node, size_t index, bool nested) {
  NodeInfo n;
  const fb::Op& op = *program.raw().ops()->Get(node.op());
  n.def = resolve_op(program.ops(), op.id(), op.name() != nullptr ? std::string_view(op.name()->c_str(), op.name()->size()) : std::string_view());
  n.op = n.def != nullptr ? n.def->info.name : text(op.name());
  n.name = text(node.name());
  if (n.name.empty()) n.name = text(node.origin());
  if (n.name.empty()) n.name = fmt::format("#{}", index);
  std::set<DType> types;
  add_values(entry, node.inputs(), n.inputs, n.reads, types);
  add_values(entry, node.outputs(), n.outputs, n.writes, types);
  n.dtypes.assign(types.begin(), types.end());
  if (n.def != nullptr) {
    const Attrs attrs(node, *n.def);
    n.macs = count_macs(*n.def, attrs.get(), n.inputs, n.outputs);
  }
  n.nested = nested;
  return n;
}

}  // namespace

std::vector<NodeInfo> list_nodes(const Program& program, int entry_index) {
  std::vector<NodeInfo> nodes;
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  for (uint32_t g = 0; g < size_of(entry.graphs()); ++g) {
    const fb::Graph& graph = *entry.graphs()->Get(g);
    for (uint32_t i = 0; i < size_of(graph.nodes()); ++i) nodes.push_back(node_info(program, entry, *graph.nodes()->Get(i), nodes.size(), g > 0));
  }
  return nodes;
}

uint64_t total_macs(const std::vector<NodeInfo>& nodes) {
  uint64_t sum = 0;
  for (const NodeInfo& n : nodes) sum += n.macs;
  return sum;
}

Json ops_json(const std::vector<NodeInfo>& nodes) {
  std::map<std::pair<std::string, std::vector<DType>>, int> counts;
  for (const NodeInfo& n : nodes) ++counts[{n.op, n.dtypes}];
  std::vector<std::pair<std::pair<std::string, std::vector<DType>>, int>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  Json list = Json::array();
  for (const auto& [key, count] : rows) {
    Json types = Json::array();
    for (DType t : key.second) types.push_back(dtype_name(t));
    list.push_back({{"op", key.first}, {"dtypes", types}, {"count", count}});
  }
  return list;
}

Json port_json(const Program& program, int entry, const PortInfo& port) {
  Json shape = Json::array(), bounds = Json::array();
  for (int d = 0; d < port.rank; ++d) {
    bounds.push_back(port.bounds[d]);
    if (port.symbols[d] == -1) shape.push_back(port.bounds[d]);
    else if (port.symbols[d] >= 0 && entry >= 0) shape.push_back(std::string(program.symbol(entry, port.symbols[d]).name));
    else shape.push_back("?");
  }
  Json j{{"name", std::string(port.name)}, {"dtype", dtype_name(port.dtype)}, {"shape", shape}};
  if (!port.is_static()) j["bounds"] = bounds;
  return j;
}

std::vector<int> states_of(const Program& program, int entry_index) {
  std::set<int> found;
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i)
    if (entry.tensors()->Get(i)->kind() == format::kState) found.insert(static_cast<int>(entry.tensors()->Get(i)->index()));
  return {found.begin(), found.end()};
}

}  // namespace gf::cli
