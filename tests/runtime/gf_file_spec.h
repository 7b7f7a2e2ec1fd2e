// A .gf file as plain values, so that tests can say exactly what is wrong in it and still seal it correctly.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/crc32c.h"
#include "runtime/core/dtype.h"
#include "schema/attr.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"

namespace gf::test {

struct DimSpec {
  int64_t bound = 0;
  int32_t symbol = format::kDimConstant;
};
struct QuantSpec {
  int32_t axis = -1;
  int64_t block = 0;
  std::vector<float> scales = {};
  std::vector<int32_t> zero_points = {};
};
struct TensorSpec {
  uint8_t kind = format::kComputed;
  uint32_t index = 0;
  uint32_t graph = 0;
  std::vector<DimSpec> dims = {};
  uint8_t dtype = static_cast<uint8_t>(DType::F32);
  std::string name = {};
  bool unknown = false, unbounded = false;
  std::optional<QuantSpec> quantization = {};
};
struct AttrSpec {
  uint16_t number = 1;
  uint8_t type = static_cast<uint8_t>(AttrType::Int);
  bool must_understand = true;
  int64_t i = 0;
  std::vector<int64_t> ints = {};
};
struct NodeSpec {
  uint16_t op = 0;
  std::vector<int32_t> inputs = {}, outputs = {};
  std::vector<uint32_t> graphs = {};
  std::vector<AttrSpec> attrs = {};
};
struct GraphSpec {
  std::vector<NodeSpec> nodes = {};
  std::vector<int32_t> inputs = {}, outputs = {};
};
struct SymbolSpec {
  std::string name = {};
  int64_t lo = 1, hi = 1;
};
struct EntrySpec {
  std::string name = "main";
  std::vector<SymbolSpec> symbols = {};
  std::vector<TensorSpec> tensors = {};
  std::vector<GraphSpec> graphs = {};
  std::vector<std::string> output_names = {};
};
struct ConstantSpec {
  std::vector<int64_t> dims = {};
  uint64_t offset = 0, bytes = 0;
  uint32_t segment = 0;
  bool splat = false;
  uint8_t dtype = static_cast<uint8_t>(DType::F32);
  uint8_t stored = 0;
};
struct StateSpec {
  std::string name = {};
  std::vector<int64_t> dims = {};
  int32_t initial = -1;
  uint8_t dtype = static_cast<uint8_t>(DType::F32);
};
struct SectionSpec {
  std::string kind = {};
  bool required = false;
  uint32_t segment = 0;
};
struct SegmentSpec {
  uint64_t offset = 0;   ///< from the start of the data; the writer adds the header's length
  uint64_t bytes = 0;
};
struct FileSpec {
  uint16_t major = format::kVersionMajor, minor = format::kVersionMinor;
  std::vector<std::pair<uint16_t, std::string>> ops = {};
  std::vector<ConstantSpec> constants = {};
  std::vector<StateSpec> states = {};
  std::vector<EntrySpec> entries = {};
  std::vector<SegmentSpec> segments = {};
  std::vector<SectionSpec> sections = {};
  std::vector<std::byte> data = {};
};

inline uint64_t align64(uint64_t n) { return (n + 63) & ~uint64_t{63}; }

/// Computes length, checksums and seal of `bytes` anew: the last 32 bytes are overwritten.
inline void reseal(std::vector<std::byte>& bytes) {
  uint32_t header = 0;
  std::memcpy(&header, bytes.data(), 4);
  format::Seal s{};
  std::memcpy(s.magic, format::kSealMagic, sizeof s.magic);
  s.file_bytes = bytes.size();
  s.crc32c = crc32c(bytes.data(), bytes.size() - sizeof s);
  if (header <= bytes.size() - sizeof s - 4) s.header_crc32c = crc32c(bytes.data(), header + size_t{4});
  s.seal_crc32c = crc32c(&s, offsetof(format::Seal, seal_crc32c));
  std::memcpy(bytes.data() + bytes.size() - sizeof s, &s, sizeof s);
}

inline std::vector<std::byte> container(std::span<const uint8_t> header, std::span<const std::byte> data, uint64_t data_offset) {
  std::vector<std::byte> file(static_cast<size_t>(data_offset) + data.size() + format::kSealBytes);
  std::memcpy(file.data(), header.data(), header.size());
  if (!data.empty()) std::memcpy(file.data() + data_offset, data.data(), data.size());
  reseal(file);
  return file;
}

class SpecWriter {
 public:
  static std::vector<std::byte> write(const FileSpec& spec) {
    const uint64_t length = align64(SpecWriter().header(spec, 64).size());
    return container(SpecWriter().header(spec, length), spec.data, length);
  }

 private:
  template <class T>
  using Offsets = std::vector<flatbuffers::Offset<T>>;

  flatbuffers::Offset<fb::Tensor> tensor(const TensorSpec& t) {
    std::vector<fb::Dim> dims;
    for (const DimSpec& d : t.dims) dims.emplace_back(d.bound, d.symbol, 0);
    flatbuffers::Offset<fb::Quantization> q;
    if (t.quantization)
      q = fb::CreateQuantization(fbb_, t.quantization->axis, t.quantization->block, fbb_.CreateVector(t.quantization->scales), fbb_.CreateVector(t.quantization->zero_points));
    const auto name = fbb_.CreateString(t.name);
    return fb::CreateTensor(fbb_, name, t.dtype, t.kind, t.index, t.graph, fbb_.CreateVectorOfStructs(dims), t.unknown, t.unbounded, q);
  }
  flatbuffers::Offset<fb::Node> node(const NodeSpec& n) {
    Offsets<fb::Attr> attrs;
    for (const AttrSpec& a : n.attrs)
      attrs.push_back(fb::CreateAttr(fbb_, a.number, a.type, a.must_understand, a.i, 0, 0, fbb_.CreateVector(a.ints)));
    const auto inputs = fbb_.CreateVector(n.inputs), outputs = fbb_.CreateVector(n.outputs);
    const auto graphs = fbb_.CreateVector(n.graphs);
    return fb::CreateNode(fbb_, n.op, fbb_.CreateVector(attrs), inputs, outputs, graphs);
  }
  flatbuffers::Offset<fb::Entry> entry(const EntrySpec& e) {
    Offsets<fb::Symbol> symbols;
    for (const SymbolSpec& s : e.symbols) symbols.push_back(fb::CreateSymbol(fbb_, fbb_.CreateString(s.name), s.lo, s.hi));
    Offsets<fb::Tensor> tensors;
    for (const TensorSpec& t : e.tensors) tensors.push_back(tensor(t));
    Offsets<fb::Graph> graphs;
    for (const GraphSpec& g : e.graphs) {
      Offsets<fb::Node> nodes;
      for (const NodeSpec& n : g.nodes) nodes.push_back(node(n));
      const auto node_vector = fbb_.CreateVector(nodes);
      const auto inputs = fbb_.CreateVector(g.inputs), outputs = fbb_.CreateVector(g.outputs);
      graphs.push_back(fb::CreateGraph(fbb_, node_vector, inputs, outputs));
    }
    const auto name = fbb_.CreateString(e.name);
    const auto names = fbb_.CreateVectorOfStrings(e.output_names);
    const auto symbol_vector = fbb_.CreateVector(symbols);
    const auto tensor_vector = fbb_.CreateVector(tensors);
    return fb::CreateEntry(fbb_, name, symbol_vector, tensor_vector, fbb_.CreateVector(graphs), 0, names);
  }
  std::vector<uint8_t> header(const FileSpec& f, uint64_t data_offset) {
    Offsets<fb::Op> ops;
    for (const auto& [id, name] : f.ops) ops.push_back(fb::CreateOp(fbb_, id, fbb_.CreateString(name)));
    Offsets<fb::Constant> constants;
    for (const ConstantSpec& c : f.constants) constants.push_back(fb::CreateConstant(fbb_, 0, c.dtype, fbb_.CreateVector(c.dims), c.segment, c.offset, c.bytes, c.splat, c.stored));
    Offsets<fb::State> states;
    for (const StateSpec& s : f.states) states.push_back(fb::CreateState(fbb_, fbb_.CreateString(s.name), s.dtype, fbb_.CreateVector(s.dims), s.initial));
    Offsets<fb::Entry> entries;
    for (const EntrySpec& e : f.entries) entries.push_back(entry(e));
    Offsets<fb::Segment> segments;
    for (const SegmentSpec& s : f.segments) segments.push_back(fb::CreateSegment(fbb_, s.offset + data_offset, s.bytes));
    Offsets<fb::Section> sections;
    for (const SectionSpec& s : f.sections) sections.push_back(fb::CreateSection(fbb_, fbb_.CreateString(s.kind), s.required, s.segment));
    const auto op_vector = fbb_.CreateVector(ops);
    const auto constant_vector = fbb_.CreateVector(constants);
    const auto state_vector = fbb_.CreateVector(states);
    const auto entry_vector = fbb_.CreateVector(entries);
    const auto segment_vector = fbb_.CreateVector(segments);
    const auto root = fb::CreateModel(fbb_, f.major, f.minor, 0, op_vector, constant_vector, state_vector, entry_vector, segment_vector, fbb_.CreateVector(sections));
    fb::FinishSizePrefixedModelBuffer(fbb_, root);
    return {fbb_.GetBufferPointer(), fbb_.GetBufferPointer() + fbb_.GetSize()};
  }

  flatbuffers::FlatBufferBuilder fbb_;
};

}  // namespace gf::test
