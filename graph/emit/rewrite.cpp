// A header is the container's own tables (root, segments, sections) in front of everything else, and FlatBuffers point
// forwards only: so the rest is one run of bytes that a new front is put before. Only the descriptions of tables (vtables)
// may lie in front of what uses them.
#include "graph/emit/rewrite.h"

#include <algorithm>

#include "graph/emit/container.h"
#include "runtime/core/exception.h"
#include "schema/format/format.h"

namespace gf {
namespace {

using flatbuffers::FlatBufferBuilder;

// Length, offset of the root, file identifier.
constexpr size_t kFrontBytes = format::kPrefixBytes + 8;

template <class T>
uint32_t size_of(const flatbuffers::Vector<T>* v) { return v != nullptr ? v->size() : 0; }

// The lowest address among things that stay: children of the root, and descriptions of tables.
class Lowest {
 public:
  explicit Lowest(const fb::Model& m) {
    for (const void* child : {static_cast<const void*>(m.producer()), static_cast<const void*>(m.ops()), static_cast<const void*>(m.constants()),
                              static_cast<const void*>(m.states()), static_cast<const void*>(m.entries()), static_cast<const void*>(m.metadata())})
      see(child);
    tables(m.ops());
    tables(m.constants());
    tables(m.states());
    tables(m.metadata());
    tables(m.entries());
    for (const fb::Entry* e : *m.entries()) {
      tables(e->symbols());
      tables(e->tensors());
      tables(e->graphs());
      for (uint32_t t = 0; t < size_of(e->tensors()); ++t) table(e->tensors()->Get(t)->quantization());
      for (uint32_t g = 0; g < size_of(e->graphs()); ++g) {
        const auto* nodes = e->graphs()->Get(g)->nodes();
        tables(nodes);
        for (uint32_t n = 0; n < size_of(nodes); ++n) tables(nodes->Get(n)->attrs());
      }
    }
  }
  const uint8_t* address() const { return lowest_; }

 private:
  void see(const void* p) {
    const auto* at = static_cast<const uint8_t*>(p);
    if (at != nullptr && (lowest_ == nullptr || at < lowest_)) lowest_ = at;
  }
  void table(const void* t) {
    if (t != nullptr) see(static_cast<const flatbuffers::Table*>(t)->GetVTable());
  }
  template <class T>
  void tables(const flatbuffers::Vector<flatbuffers::Offset<T>>* list) {
    for (uint32_t i = 0; i < size_of(list); ++i) table(list->Get(i));
  }

  const uint8_t* lowest_ = nullptr;
};

// Segments in front of the first one that belongs to a section: those of constants, whose numbers constants know.
uint32_t constant_segments(const fb::Model& m) {
  uint32_t count = size_of(m.segments());
  for (uint32_t i = 0; i < size_of(m.sections()); ++i) count = std::min(count, m.sections()->Get(i)->segment());
  for (uint32_t i = 0; i < size_of(m.constants()); ++i) count = std::max(count, m.constants()->Get(i)->segment() + 1);
  return count;
}

// The children of the root and all behind them, as they are.
RootParts kept_parts(FlatBufferBuilder& fbb, const Program& program, const uint8_t* kept, const std::vector<ByteRange>& segments) {
  const fb::Model& m = program.raw();
  const auto* file = reinterpret_cast<const uint8_t*>(program.bytes().data());
  const uint8_t* end = file + format::kPrefixBytes + flatbuffers::ReadScalar<uint32_t>(file);
  // Alignment counts from the end in a builder and from the beginning in a file.
  static constexpr uint8_t kZeros[8] = {};
  const size_t tail = (8 - static_cast<size_t>(end - file) % 8) % 8;
  fbb.PushBytes(kZeros, tail);
  fbb.PushBytes(kept, static_cast<size_t>(end - kept));
  const auto at = [&]<class T>(const T* child) {
    if (child == nullptr) return flatbuffers::Offset<T>();
    return flatbuffers::Offset<T>(static_cast<uint32_t>(static_cast<size_t>(end - reinterpret_cast<const uint8_t*>(child)) + tail));
  };
  return {at(m.producer()), at(m.ops()), at(m.constants()), at(m.states()), at(m.entries()), at(m.metadata()), segments};
}

}  // namespace

void rewrite(const Program& program, const std::vector<EmitSection>& sections, const EmitSigner& signer, const ByteSink& sink) {
  const fb::Model& m = program.raw();
  if (m.version_minor() > format::kVersionMinor)
    throw Exception(Error::BadVersion, "the file was written by a later version (format " + std::to_string(m.version_major()) + "." +
                                           std::to_string(m.version_minor()) + "): change it with the gf-convert of that version");
  // The data of constants move as one block, since their segments may overlap.
  const uint32_t count = constant_segments(m);
  std::vector<ByteRange> segments;
  ByteRange data{program.bytes().size(), 0};
  uint64_t data_end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const fb::Segment& s = *m.segments()->Get(i);
    data.offset = std::min(data.offset, s.offset());
    data_end = std::max(data_end, s.offset() + s.bytes());
  }
  for (uint32_t i = 0; i < count; ++i) segments.push_back({m.segments()->Get(i)->offset() - data.offset, m.segments()->Get(i)->bytes()});
  data.bytes = count == 0 ? 0 : data_end - data.offset;

  Container c;
  uint64_t section_bytes = 0;
  for (uint32_t i = 0; i < size_of(m.sections()); ++i) {
    const fb::Section& s = *m.sections()->Get(i);
    const std::string kind = s.kind() != nullptr ? s.kind()->str() : "";
    const bool replaced = std::any_of(sections.begin(), sections.end(), [&](const EmitSection& n) { return n.kind == kind; });
    if (replaced || kind == format::kSignatureSection) continue;
    const fb::Segment& segment = *m.segments()->Get(s.segment());
    section_bytes += segment.bytes();
    c.sections.push_back({kind, program.bytes().subspan(static_cast<size_t>(segment.offset()), static_cast<size_t>(segment.bytes()))});
    if (section_bytes > program.bytes().size()) throw Exception(Error::BadFile, "sections of the file lie on one another: each has bytes of its own (FORMAT.md)");
  }
  for (const EmitSection& s : sections) c.sections.push_back({s.kind, s.bytes});
  const uint8_t* kept = Lowest(m).address();
  if (kept < reinterpret_cast<const uint8_t*>(program.bytes().data()) + kFrontBytes)
    throw Exception(Error::BadFile, "the header has a table whose description lies on the file's first bytes");
  c.parts = [&](FlatBufferBuilder& fbb) { return kept_parts(fbb, program, kept, segments); };
  c.data = [&](const auto& put) { put(0, program.bytes().subspan(static_cast<size_t>(count == 0 ? 0 : data.offset), static_cast<size_t>(data.bytes))); };
  c.signer = signer;
  write_container(c, sink);
}

}  // namespace gf
