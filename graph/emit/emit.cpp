#include "graph/emit/emit.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "graph/emit/container.h"
#include "graph/emit/state_writes.h"
#include "graph/ir/builder.h"
#include "runtime/core/crc32c.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"
#include "schema/ops/global_norm.h"
#include "schema/ops/identity.h"

namespace gf {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

// Splats up to this size are stored dense: kernels may want to look at small constants when they are chosen.
constexpr uint64_t kSmallConstant = 4096;

// A value that may have more elements than this is planned as if it had no bound.
constexpr int64_t kMostPlanned = int64_t{1} << 36;

// --- preparation: what the file format wants of a graph

// Outputs of a block must be distinct values that a node of this very block computes.
void separate_outputs(ir::Entry& entry, ir::Block& block) {
  for (auto& n : block.nodes)
    for (ir::Block& inner : n->blocks) separate_outputs(entry, inner);
  std::vector<ir::ValueId> own;
  for (const auto& n : block.nodes)
    for (ir::ValueId v : n->outputs)
      if (v != ir::kNoValue && n->writes_state < 0) own.push_back(v);
  std::sort(own.begin(), own.end());
  std::vector<ir::ValueId> seen;
  for (ir::ValueId& out : block.outputs) {
    const bool computed = std::binary_search(own.begin(), own.end(), out);
    if (computed && std::find(seen.begin(), seen.end(), out) == seen.end()) {
      seen.push_back(out);
      continue;
    }
    ir::Builder b(entry, block);
    b.set_origin("", "copy of an output");
    const ir::ValueId copy = b.add<op::Identity>({out});
    entry.value(copy).name = entry.value(out).name;
    out = copy;
    seen.push_back(copy);
  }
}

// --- constants

class ConstantStore {
 public:
  static constexpr size_t kLargeConstant = 256;
  /// Index of the constant in the file; equal bytes are stored once. `dtype` is what readers see: the constant's own type,
  /// or float32 over 16-bit floats.
  uint32_t add(const ir::ConstantPtr& c, DType dtype, const std::string& name) {
    const auto known = by_pointer_.find(c.get());
    if (known != by_pointer_.end()) return known->second;
    const bool small_splat = c->splat && c->dense_bytes() <= kSmallConstant;
    Item item;
    item.constant = c;
    item.dtype = dtype;
    item.name = name;
    item.splat = c->splat && !small_splat;
    if (small_splat) item.dense = c->dense();
    const std::span<const std::byte> bytes = item.bytes();
    const Key key{c->dtype, dtype, c->dims, item.splat, bytes.size(), crc32c(bytes.data(), bytes.size())};
    const auto range = by_key_.equal_range(key);
    for (auto it = range.first; it != range.second; ++it) {
      const auto other = items_[it->second].bytes();
      if (std::equal(bytes.begin(), bytes.end(), other.begin(), other.end())) {
        by_pointer_[c.get()] = it->second;
        return it->second;
      }
    }
    const auto index = static_cast<uint32_t>(items_.size());
    items_.push_back(std::move(item));
    by_key_.emplace(key, index);
    by_pointer_[c.get()] = index;
    return index;
  }
  struct Item {
    ir::ConstantPtr constant;
    std::string name;
    std::optional<std::vector<std::byte>> dense;  // of a small splat, which may have no elements
    DType dtype = DType::Invalid;
    bool splat = false;
    uint64_t offset = 0;
    std::span<const std::byte> bytes() const { return dense ? std::span<const std::byte>(*dense) : constant->data; }
  };
  const std::vector<Item>& items() const { return items_; }
  /// Gives all constants their places, matrices and filters last: those are what kernels pack, and a session that has packed them can do
  /// without the end of the file. Returns the items in the order of the file. For when all are there.
  std::vector<const Item*> place() {
    std::vector<const Item*> order;
    used_ = 0;
    for (const bool large : {false, true}) {
      for (Item& item : items_) {
        if ((item.constant->dims.size() >= 2 && item.bytes().size() >= kLargeConstant) != large) continue;
        item.offset = used_;
        used_ = (used_ + item.bytes().size() + format::kAlignment - 1) & ~uint64_t{format::kAlignment - 1};
        order.push_back(&item);
      }
    }
    return order;
  }
  uint64_t bytes() const { return used_; }

 private:
  struct Key {
    DType stored, dtype;
    std::vector<int64_t> dims;
    bool splat;
    size_t size;
    uint32_t crc;
    bool operator<(const Key& o) const {
      return std::tie(stored, dtype, dims, splat, size, crc) < std::tie(o.stored, o.dtype, o.dims, o.splat, o.size, o.crc);
    }
  };
  std::vector<Item> items_;
  std::multimap<Key, uint32_t> by_key_;
  std::unordered_map<const ir::Constant*, uint32_t> by_pointer_;
  uint64_t used_ = 0;
};

// --- the header

class OpIndex {
 public:
  uint16_t of(const OpDef& def) {
    const auto it = std::find(defs_.begin(), defs_.end(), &def);
    if (it != defs_.end()) return static_cast<uint16_t>(it - defs_.begin());
    defs_.push_back(&def);
    return static_cast<uint16_t>(defs_.size() - 1);
  }
  const std::vector<const OpDef*>& defs() const { return defs_; }

 private:
  std::vector<const OpDef*> defs_;
};

class EntryWriter {
 public:
  EntryWriter(FlatBufferBuilder& fbb, ir::Entry& entry, bool exact, ConstantStore& constants, OpIndex& ops, const EmitOptions& options)
      : fbb_(fbb), entry_(entry), exact_(exact), constants_(constants), ops_(ops), options_(options) {
    for (const StateWrite& w : elided_writes(entry)) {
      elided_.insert(w.copy);
      state_of_[w.copy->inputs[0]] = w.copy->writes_state;
    }
  }

  Offset<fb::Entry> write() {
    collect_symbols();
    number_block(entry_.body, 0, true);
    std::vector<Offset<fb::Tensor>> tensors;
    tensors.reserve(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) tensors.push_back(tensor(order_[i]));
    const auto tensor_vector = fbb_.CreateVector(tensors);
    graphs_.resize(blocks_.size());
    for (size_t g = 0; g < blocks_.size(); ++g) graphs_[g] = graph(*blocks_[g]);
    const auto graph_vector = fbb_.CreateVector(graphs_);
    std::vector<Offset<fb::Symbol>> symbols;
    for (const int s : file_symbols_) {
      const ir::Symbol& symbol = entry_.symbols.symbols()[static_cast<size_t>(s)];
      symbols.push_back(fb::CreateSymbol(fbb_, fbb_.CreateString(symbol.name), symbol.lo, symbol.hi));
    }
    const auto symbol_vector = fbb_.CreateVector(symbols);
    std::vector<std::string> names;
    for (ir::ValueId v : entry_.body.outputs) names.push_back(entry_.value(v).name);
    const auto name_vector = fbb_.CreateVectorOfStrings(names);
    const auto name = fbb_.CreateString(entry_.name);
    return fb::CreateEntry(fbb_, name, symbol_vector, tensor_vector, graph_vector, exact_ ? format::kEntryExact : 0, name_vector);
  }

 private:
  void collect_symbols() {
    for (ir::ValueId v : entry_.body.inputs)
      for (int d = 0; d < entry_.value(v).shape.rank; ++d) {
        const int s = entry_.symbols.symbol_index(entry_.value(v).shape[d]);
        if (s >= 0 && std::find(file_symbols_.begin(), file_symbols_.end(), s) == file_symbols_.end()) file_symbols_.push_back(s);
      }
  }

  int32_t number(ir::ValueId v, uint32_t graph) {
    const auto [it, is_new] = ids_.try_emplace(v, static_cast<int32_t>(order_.size()));
    if (is_new) order_.push_back({v, graph, -1});
    return it->second;
  }

  // Ids grow in execution order: the loader proves single assignment and order with one counter.
  void number_block(const ir::Block& block, uint32_t graph, bool top) {
    blocks_.push_back(&block);
    for (ir::ValueId v : block.inputs) {
      const int32_t id = number(v, graph);
      if (top) input_index_.emplace(id, static_cast<uint32_t>(input_index_.size()));
    }
    for (const auto& n : block.nodes) {
      if (elided_.contains(n.get())) continue;
      for (ir::ValueId v : n->inputs)
        if (v != ir::kNoValue && (entry_.value(v).is_constant() || entry_.value(v).state >= 0)) number(v, graph);
      for (const ir::Block& inner : n->blocks) {
        graph_of_[&inner] = static_cast<uint32_t>(blocks_.size());
        number_block(inner, static_cast<uint32_t>(blocks_.size()), false);
      }
      for (ir::ValueId v : n->outputs) {
        if (v == ir::kNoValue) continue;
        const int32_t id = number(v, graph);
        const auto state = state_of_.find(v);
        if (n->writes_state >= 0 || state != state_of_.end())
          order_[static_cast<size_t>(id)].writes_state = n->writes_state >= 0 ? n->writes_state : state->second;
      }
    }
  }

  struct Numbered {
    ir::ValueId value;
    uint32_t graph;
    int32_t writes_state;
  };

  Offset<fb::Tensor> tensor(const Numbered& numbered) {
    const ir::Value& v = entry_.value(numbered.value);
    const int32_t id = ids_.at(numbered.value);
    uint8_t kind = format::kComputed;
    uint32_t index = 0;
    if (v.is_constant()) {
      kind = format::kConstant;
      index = constants_.add(v.constant, v.dtype, v.name);
    } else if (v.state >= 0 || numbered.writes_state >= 0) {
      kind = format::kState;
      index = static_cast<uint32_t>(v.state >= 0 ? v.state : numbered.writes_state);
    } else if (input_index_.contains(id)) {
      kind = format::kInput;
      index = input_index_.at(id);
    }
    std::vector<fb::Dim> dims;
    bool unbounded = !v.shape_known;
    int64_t most = 1;
    for (int d = 0; d < v.shape.rank; ++d) {
      const Dim dim = v.shape[d];
      int32_t symbol = format::kDimConstant;
      if (!dim.is_const()) {
        symbol = format::kDimExpression;
        const int s = entry_.symbols.symbol_index(dim);
        const auto at = std::find(file_symbols_.begin(), file_symbols_.end(), s);
        if (s >= 0 && at != file_symbols_.end()) symbol = static_cast<int32_t>(at - file_symbols_.begin());
      }
      unbounded = unbounded || dim.hi == kUnbounded || !mul_checked(most, std::max<int64_t>(dim.hi, 1), most) || most > kMostPlanned;
      dims.emplace_back(dim.hi, symbol, 0);
    }
    unbounded = unbounded && kind == format::kComputed;
    const bool named = kind == format::kInput || options_.node_names;
    const auto name = named && !v.name.empty() ? fbb_.CreateString(v.name) : Offset<flatbuffers::String>();
    Offset<fb::Quantization> quantization;
    if (v.quantization)
      quantization = fb::CreateQuantization(fbb_, v.quantization->axis, v.quantization->block, fbb_.CreateVector(v.quantization->scales), fbb_.CreateVector(v.quantization->zero_points));
    const auto dim_vector = fbb_.CreateVectorOfStructs(dims);
    return fb::CreateTensor(fbb_, name, static_cast<uint8_t>(v.dtype), kind, index, numbered.graph, dim_vector, !v.shape_known, unbounded, quantization);
  }

  Offset<fb::Graph> graph(const ir::Block& block) {
    std::vector<Offset<fb::Node>> nodes;
    for (const auto& n : block.nodes)
      if (!elided_.contains(n.get())) nodes.push_back(node(*n));
    const auto ids = [this](const std::vector<ir::ValueId>& values) {
      std::vector<int32_t> out;
      for (ir::ValueId v : values) out.push_back(v == ir::kNoValue ? -1 : ids_.at(v));
      return out;
    };
    const auto node_vector = fbb_.CreateVector(nodes);
    const auto inputs = fbb_.CreateVector(ids(block.inputs));
    const auto outputs = fbb_.CreateVector(ids(block.outputs));
    return fb::CreateGraph(fbb_, node_vector, inputs, outputs);
  }

  Offset<fb::Node> node(const ir::Node& n) {
    std::vector<Offset<fb::Attr>> attrs;
    for (const ir::Attr& a : n.attrs) {
      const auto s = a.type == AttrType::String ? fbb_.CreateString(a.s) : Offset<flatbuffers::String>();
      const auto ints = a.type == AttrType::Ints ? fbb_.CreateVector(a.ints) : Offset<flatbuffers::Vector<int64_t>>();
      const auto floats = a.type == AttrType::Floats ? fbb_.CreateVector(a.floats) : Offset<flatbuffers::Vector<float>>();
      bool must = true;
      for (const AttrField& f : n.def->fields)
        if (f.number == a.number) must = f.must_understand;
      attrs.push_back(fb::CreateAttr(fbb_, a.number, static_cast<uint8_t>(a.type), must, a.i, a.f, s, ints, floats));
    }
    const auto ids = [this](const std::vector<ir::ValueId>& values) {
      std::vector<int32_t> out;
      for (ir::ValueId v : values) out.push_back(v == ir::kNoValue ? -1 : ids_.at(v));
      return out;
    };
    std::vector<uint32_t> graphs;
    for (const ir::Block& b : n.blocks) graphs.push_back(graph_of_.at(&b));
    const auto attr_vector = attrs.empty() ? Offset<flatbuffers::Vector<Offset<fb::Attr>>>() : fbb_.CreateVector(attrs);
    const auto inputs = fbb_.CreateVector(ids(n.inputs));
    const auto outputs = fbb_.CreateVector(ids(n.outputs));
    const auto graph_vector = graphs.empty() ? Offset<flatbuffers::Vector<uint32_t>>() : fbb_.CreateVector(graphs);
    const bool named = options_.node_names || n.is<op::GlobalNorm>();  // the watch of a train step: which tensor is not finite
    const auto name = options_.node_names && !n.name.empty() ? fbb_.CreateString(n.name) : Offset<flatbuffers::String>();
    const auto origin = named && !n.origin.empty() ? fbb_.CreateString(n.origin) : Offset<flatbuffers::String>();
    return fb::CreateNode(fbb_, ops_.of(*n.def), attr_vector, inputs, outputs, graph_vector, name, origin);
  }

  FlatBufferBuilder& fbb_;
  ir::Entry& entry_;
  const bool exact_;
  ConstantStore& constants_;
  OpIndex& ops_;
  const EmitOptions& options_;
  std::vector<int> file_symbols_;
  std::vector<Numbered> order_;
  std::unordered_map<ir::ValueId, int32_t> ids_;
  std::map<int32_t, uint32_t> input_index_;
  std::vector<const ir::Block*> blocks_;
  std::map<const ir::Block*, uint32_t> graph_of_;
  std::vector<Offset<fb::Graph>> graphs_;
  std::set<const ir::Node*> elided_;               // copies to State that their makers spare
  std::map<ir::ValueId, int32_t> state_of_;        // what those makers write
};

// Everything of the header but the container's own tables.
RootParts root_parts(FlatBufferBuilder& fbb, ir::Model& model, const EmitOptions& options, ConstantStore& constants) {
  OpIndex ops;
  std::vector<Offset<fb::Entry>> entries;
  for (auto& e : model.entries) entries.push_back(EntryWriter(fbb, *e, is_train_step(model, e->name), constants, ops, options).write());
  std::vector<Offset<fb::State>> states;
  for (const ir::StateVar& s : model.states) {
    const int32_t initial = s.initial != nullptr ? static_cast<int32_t>(constants.add(s.initial, s.dtype, s.name)) : -1;
    states.push_back(fb::CreateState(fbb, fbb.CreateString(s.name), static_cast<uint8_t>(s.dtype), fbb.CreateVector(s.dims), initial));
  }
  std::vector<Offset<fb::Constant>> items;
  constants.place();
  for (const ConstantStore::Item& c : constants.items()) {
    const auto name = c.name.empty() ? Offset<flatbuffers::String>() : fbb.CreateString(c.name);
    const DType stored = c.constant->dtype == c.dtype ? DType::Invalid : c.constant->dtype;
    items.push_back(fb::CreateConstant(fbb, name, static_cast<uint8_t>(c.dtype), fbb.CreateVector(c.constant->dims), 0, c.offset, c.bytes().size(), c.splat, static_cast<uint8_t>(stored)));
  }
  std::vector<Offset<fb::Op>> op_rows;
  for (const OpDef* def : ops.defs()) op_rows.push_back(fb::CreateOp(fbb, def->info.id, fbb.CreateString(def->info.name)));
  std::vector<Offset<fb::KeyValue>> metadata;
  for (const auto& [key, value] : model.metadata) metadata.push_back(fb::CreateKeyValue(fbb, fbb.CreateString(key), fbb.CreateString(value)));
  RootParts parts;
  parts.producer = fbb.CreateString(model.producer);
  parts.ops = fbb.CreateVector(op_rows);
  parts.constants = fbb.CreateVector(items);
  parts.states = fbb.CreateVector(states);
  parts.entries = fbb.CreateVector(entries);
  parts.metadata = fbb.CreateVector(metadata);
  parts.segments = {{0, constants.bytes()}};
  return parts;
}

// `announce` hears how many bytes of constants are to come.
void write(ir::Model& model, const EmitOptions& options, const ByteSink& sink, const std::function<void(uint64_t)>& announce) {
  for (auto& e : model.entries) separate_outputs(*e, e->body);
  ConstantStore constants;
  Container c;
  c.parts = [&](FlatBufferBuilder& fbb) { return root_parts(fbb, model, options, constants); };
  c.data = [&](const auto& put) {
    const std::vector<const ConstantStore::Item*> order = constants.place();
    announce(constants.bytes());
    for (const ConstantStore::Item* item : order) put(item->offset, item->bytes());
    put(constants.bytes(), {});
  };
  for (const EmitSection& s : options.sections) c.sections.push_back({s.kind, s.bytes});
  c.signer = options.signer;
  write_container(c, sink);
}

}  // namespace

void emit(ir::Model& model, const EmitOptions& options, const ByteSink& sink) { write(model, options, sink, [](uint64_t) {}); }

std::vector<std::byte> emit(ir::Model& model, const EmitOptions& options) {
  std::vector<std::byte> bytes;
  const auto append = [&bytes](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); };
  constexpr size_t kSmall = 1 << 16;  // for the header and the seal
  write(model, options, append, [&bytes](uint64_t constants) { bytes.reserve(bytes.size() + static_cast<size_t>(constants) + kSmall); });
  return bytes;
}

}  // namespace gf
