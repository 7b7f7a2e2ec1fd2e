#include "graph/emit/container.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "runtime/core/crc32c.h"
#include "runtime/core/exception.h"
#include "schema/format/format.h"

namespace gf {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

uint64_t aligned(uint64_t n) { return (n + format::kAlignment - 1) & ~uint64_t{format::kAlignment - 1}; }

struct Header {
  std::vector<std::byte> bytes;
  std::vector<ByteRange> sections;   // from the start of the file
};

// The header of a file whose data begin at `data_offset`.
Header make_header(const Container& c, uint64_t data_offset) {
  FlatBufferBuilder fbb(1 << 16);
  const RootParts parts = c.parts(fbb);
  Header h;
  std::vector<Offset<fb::Segment>> segments;
  uint64_t end = data_offset;
  for (const ByteRange& r : parts.segments) {
    segments.push_back(fb::CreateSegment(fbb, data_offset + r.offset, r.bytes));
    end = std::max(end, data_offset + r.offset + r.bytes);
  }
  std::vector<Offset<fb::Section>> sections;
  const auto add = [&](const std::string& kind, uint64_t bytes) {
    h.sections.push_back({aligned(end), bytes});
    sections.push_back(fb::CreateSection(fbb, fbb.CreateString(kind), false, static_cast<uint32_t>(segments.size())));
    segments.push_back(fb::CreateSegment(fbb, aligned(end), bytes));
    end = aligned(end) + bytes;
  };
  for (const SectionView& s : c.sections) add(s.kind, s.bytes.size());
  if (c.signer.finish) add(format::kSignatureSection, sizeof(format::Signature));
  const auto segment_vector = fbb.CreateVector(segments);
  const auto section_vector = fbb.CreateVector(sections);
  const auto root = fb::CreateModel(fbb, format::kVersionMajor, format::kVersionMinor, parts.producer, parts.ops, parts.constants,
                                    parts.states, parts.entries, segment_vector, section_vector, parts.metadata);
  fb::FinishSizePrefixedModelBuffer(fbb, root);
  const auto written = std::as_bytes(std::span(fbb.GetBufferPointer(), fbb.GetSize()));
  h.bytes.assign(written.begin(), written.end());
  return h;
}

class SealedWriter {
 public:
  explicit SealedWriter(const ByteSink& sink) : sink_(sink) {}
  /// Also gets every byte from now on; null: nobody.
  void tell(const std::function<void(std::span<const std::byte>)>* listener) { listener_ = listener; }
  void put(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (listener_ != nullptr) (*listener_)(bytes);
    crc_ = crc32c(bytes.data(), bytes.size(), crc_);
    written_ += bytes.size();
    sink_(bytes);
  }
  void put_at(uint64_t offset, std::span<const std::byte> bytes) {
    static constexpr std::byte kZeros[format::kAlignment] = {};
    if (offset < written_) throw Exception(Error::Internal, "a part of the file would lie on another one");
    while (written_ < offset) put({kZeros, static_cast<size_t>(std::min<uint64_t>(sizeof kZeros, offset - written_))});
    put(bytes);
  }
  void seal(uint32_t header_crc) {
    format::Seal s{};
    std::memcpy(s.magic, format::kSealMagic, sizeof s.magic);
    s.file_bytes = written_ + sizeof s;
    s.crc32c = crc_;
    s.header_crc32c = header_crc;
    s.seal_crc32c = crc32c(&s, offsetof(format::Seal, seal_crc32c));
    sink_(std::as_bytes(std::span<const format::Seal>(&s, 1)));
  }

 private:
  const ByteSink& sink_;
  const std::function<void(std::span<const std::byte>)>* listener_ = nullptr;
  uint32_t crc_ = 0;
  uint64_t written_ = 0;
};

}  // namespace

void write_container(const Container& c, const ByteSink& sink) {
  const uint64_t data_offset = aligned(make_header(c, format::kAlignment).bytes.size());
  const Header head = make_header(c, data_offset);  // same length: only numbers differ
  if (aligned(head.bytes.size()) != data_offset) throw Exception(Error::Internal, "header changed its size between two passes");
  if (head.bytes.size() >= (size_t{1} << 31)) throw Exception(Error::LimitExceeded, "the header would exceed 2 GB");
  SealedWriter out(sink);
  if (c.signer.update) out.tell(&c.signer.update);
  out.put(head.bytes);
  out.put_at(data_offset, {});
  c.data([&](uint64_t offset, std::span<const std::byte> bytes) { out.put_at(data_offset + offset, bytes); });
  for (size_t i = 0; i < c.sections.size(); ++i) out.put_at(head.sections[i].offset, c.sections[i].bytes);
  if (c.signer.finish) {
    out.put_at(head.sections.back().offset, {});
    out.tell(nullptr);
    const std::vector<std::byte> signature = c.signer.finish();
    if (signature.size() != sizeof(format::Signature)) throw Exception(Error::InvalidArgument, "a signer gave a signature of the wrong size");
    out.put(signature);
  }
  out.seal(crc32c(head.bytes.data(), head.bytes.size()));
}

}  // namespace gf
