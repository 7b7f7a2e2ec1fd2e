#include "facade/graph_view.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>

#include "facade/node_attrs.h"
#include "runtime/exec/report.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"

namespace gf {
namespace {

template <class T>
std::vector<T> list(const flatbuffers::Vector<T>* v) {
  return v != nullptr ? std::vector<T>(v->begin(), v->end()) : std::vector<T>();
}

std::string number(double v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", v);
  return buffer;
}

template <class List, class Text>
std::string joined(const List& values, Text to_text) {
  constexpr size_t kMost = 64;
  std::string out = "[";
  for (size_t i = 0; i < std::min<size_t>(values.size(), kMost); ++i) out += (i != 0 ? ", " : "") + to_text(values[i]);
  return out + (values.size() > kMost ? ", ... " + std::to_string(values.size()) + " values]" : "]");
}

std::string attr_text(const AttrValue& v) {
  switch (v.type) {
    case AttrType::Int: return std::to_string(v.i);
    case AttrType::Float: return number(v.f);
    case AttrType::String: return std::string(v.s);
    case AttrType::Ints: return joined(v.ints, [](int64_t i) { return std::to_string(i); });
    case AttrType::Floats: return joined(v.floats, [](float f) { return number(static_cast<double>(f)); });
    case AttrType::None: break;
  }
  return "";
}

std::vector<GraphAttribute> attributes_of(const fb::Node& node, const OpDef& def) {
  const NodeAttrs attrs(node, def), defaults(def);
  std::vector<GraphAttribute> out;
  for (const AttrField& f : def.fields) {
    std::string value = attr_text(f.load(attrs.get()));
    const bool is_default = value == attr_text(f.load(defaults.get()));
    out.push_back({f.name, std::move(value), is_default});
  }
  return out;
}

// From facts of the op's definition and the range that its id comes from: no list of ops here.
std::string family_of(const NodeInfo& n) {
  if (n.def == nullptr) return "custom";
  const uint16_t id = n.def->info.id;
  const uint32_t flags = n.def->info.flags;
  if (id >= kFirstCustomOpId) return "custom";
  if ((flags & kOpControlFlow) != 0) return "control";
  if ((flags & kOpQuantized) != 0 || id / 50 == 8) return "quantized";
  if (n.macs != 0) return "product";
  if ((flags & kOpElementwise) != 0 || id < 150) return "elementwise";
  if (id < 200) return "movement";
  if (id < 250) return "signal";
  return id < 300 ? "reduce" : "window";
}

std::string quantization_text(const fb::Tensor& t) {
  const fb::Quantization* q = t.quantization();
  if (q == nullptr) return "";
  if (size_of(q->scales()) == 1)
    return "scale " + number(static_cast<double>(q->scales()->Get(0))) + ", zero point " +
           std::to_string(size_of(q->zero_points()) != 0 ? q->zero_points()->Get(0) : 0);
  return std::to_string(size_of(q->scales())) + " scales along axis " + std::to_string(q->axis()) +
         (q->block() != 0 ? " in blocks of " + std::to_string(q->block()) : "");
}

GraphTensor tensor_of(const Program& program, const fb::Entry& entry, const fb::Tensor& t) {
  GraphTensor g;
  g.name = text(t.name());
  g.dtype = static_cast<DType>(t.dtype());
  g.role = static_cast<TensorRole>(t.kind());
  g.unbounded = t.unbounded();
  g.shape_unknown = t.shape_unknown();
  g.quantization = quantization_text(t);
  Shape bound;
  bound.rank = static_cast<int32_t>(size_of(t.dims()));
  for (uint32_t d = 0; d < size_of(t.dims()); ++d) {
    const fb::Dim& dim = *t.dims()->Get(d);
    bound[static_cast<int>(d)] = dim.bound();
    if (dim.symbol() >= 0)
      g.shape.push_back(text(entry.symbols()->Get(static_cast<uint32_t>(dim.symbol()))->name()));
    else if (dim.symbol() == format::kDimConstant)
      g.shape.push_back(std::to_string(dim.bound()));
    else
      g.shape.push_back(dim.bound() == kUnbounded ? "?" : "<=" + std::to_string(dim.bound()));
  }
  if (!g.unbounded && !bytes_checked(bound.count(), g.dtype, g.bytes)) g.bytes = 0;
  if (g.role != TensorRole::Computed) g.source = static_cast<int32_t>(t.index());
  if (g.role == TensorRole::Constant) {
    const fb::Constant& c = *program.raw().constants()->Get(t.index());
    g.stored_bytes = c.bytes();
    g.splat = c.splat();
    if (g.name.empty()) g.name = text(c.name());
  }
  if (g.role == TensorRole::State) g.name = text(program.raw().states()->Get(t.index())->name());
  return g;
}

}  // namespace

GraphView view_graph(const Program& program, int entry_index) {
  const fb::Entry& entry = *program.raw().entries()->Get(static_cast<uint32_t>(entry_index));
  GraphView view;
  for (uint32_t i = 0; i < size_of(entry.tensors()); ++i)
    view.tensors.push_back(tensor_of(program, entry, *entry.tensors()->Get(i)));
  const std::vector<NodeInfo> infos = list_nodes(program, entry_index);
  for (uint32_t g = 0; g < size_of(entry.graphs()); ++g) {
    const fb::Graph& graph = *entry.graphs()->Get(g);
    GraphBlock block{{}, list(graph.inputs()), list(graph.outputs())};
    for (uint32_t i = 0; i < size_of(graph.nodes()); ++i) {
      const fb::Node& node = *graph.nodes()->Get(i);
      block.nodes.push_back(static_cast<int32_t>(view.nodes.size()));
      GraphNode n{infos[view.nodes.size()], text(node.origin()), "", list(node.inputs()), list(node.outputs()), list(node.graphs()), {}};
      n.family = family_of(n.info);
      if (n.info.def != nullptr) n.attributes = attributes_of(node, *n.info.def);
      view.nodes.push_back(std::move(n));
    }
    view.graphs.push_back(std::move(block));
  }
  for (size_t i = 0; i < view.graphs[0].outputs.size(); ++i) {
    GraphTensor& t = view.tensors[static_cast<size_t>(view.graphs[0].outputs[i])];
    if (t.name.empty()) t.name = std::string(program.output(entry_index, static_cast<int>(i)).name);
  }
  return view;
}

MemoryPlan view_memory(const Session& session, const GraphView& graph) {
  std::map<int32_t, PlannedBuffer> by_root;
  for (const PlanItem& item : SessionReport::buffers(session))
    by_root[static_cast<int32_t>(item.id)] = {item.offset, item.bytes, item.first, item.last, {static_cast<int32_t>(item.id)}};
  for (int32_t t = 0; t < static_cast<int32_t>(graph.tensors.size()); ++t) {
    const auto it = by_root.find(SessionReport::buffer_of(session, t));
    if (it != by_root.end() && it->first != t) it->second.tensors.push_back(t);
  }
  MemoryPlan plan;
  for (auto& [root, buffer] : by_root) plan.buffers.push_back(std::move(buffer));
  std::sort(plan.buffers.begin(), plan.buffers.end(), [](const PlannedBuffer& a, const PlannedBuffer& b) {
    return std::pair(a.offset, a.first) < std::pair(b.offset, b.first);
  });
  for (int i = 0; i < session.node_count(); ++i) {
    const NodeSteps s = SessionReport::steps(session, i);
    plan.steps.emplace_back(s.begin, s.end);
  }
  return plan;
}

}  // namespace gf
