#include "trainer/checkpoint/container.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "runtime/core/crc32c.h"
#include "runtime/core/exception.h"

namespace gf {

using checkpoint::Texts;

namespace {

constexpr std::string_view kOurs = "gf.";
constexpr const char* kVersionKey = "gf.checkpoint";
constexpr const char* kStepKey = "gf.step";
constexpr const char* kGraphKey = "gf.graph";
constexpr const char* kHeaderKey = "gf.header_crc32c";
constexpr std::string_view kDataKey = "gf.crc32c.";  // and the tensor's name
constexpr size_t kDigits = 8;                        // of a checksum
// The header's checksum is found by its text: a quote inside of a name or another text has a backslash in front.
constexpr std::string_view kHeaderPlace = "\"gf.header_crc32c\":\"";

std::string hex(uint32_t value) {
  std::string text(kDigits, '0');
  for (size_t i = 0; i < kDigits; ++i) text[i] = "0123456789abcdef"[value >> (4 * (kDigits - 1 - i)) & 15U];
  return text;
}

// Where the digits of the header's checksum stand; npos: nowhere, or twice.
size_t place_of_checksum(std::string_view head) {
  const size_t at = head.find(kHeaderPlace);
  if (at == std::string_view::npos || head.find(kHeaderPlace, at + 1) != std::string_view::npos) return std::string_view::npos;
  const size_t digits = at + kHeaderPlace.size();
  return digits + kDigits < head.size() ? digits : std::string_view::npos;
}
// Of the length and the header, with zeros for the checksum's own digits.
uint32_t header_checksum(std::string_view head, size_t digits) {
  const std::string zeros(kDigits, '0');
  uint32_t crc = crc32c(head.data(), digits);
  crc = crc32c(zeros.data(), kDigits, crc);
  return crc32c(head.data() + digits + kDigits, head.size() - digits - kDigits, crc);
}

class Reader {
 public:
  Reader(const io::SafeTensors& file, const std::string& where) : file_(file), where_(where) {}

  [[noreturn]] void refuse(Error code, const std::string& what) const { throw Exception(code, where_ + ": " + what); }

  void check_version() const {
    const auto it = file_.metadata.find(kVersionKey);
    if (it == file_.metadata.end())
      refuse(Error::BadFile, std::string("has no metadata '") + kVersionKey + "': a safetensors file, but no checkpoint; import_weights() takes weights alone");
    if (const int64_t version = whole_number(kVersionKey, it->second); version != checkpoint::kVersion)
      refuse(Error::BadVersion, "is a checkpoint of version " + std::to_string(version) + "; this library reads version " + std::to_string(checkpoint::kVersion));
  }
  void check_header(std::string_view head) const {
    const size_t digits = place_of_checksum(head);
    if (digits == std::string_view::npos) refuse(Error::BadFile, "the checkpoint's header has no checksum, or two");
    if (head.substr(digits, kDigits) != hex(header_checksum(head, digits)) || head[digits + kDigits] != '"')
      refuse(Error::BadChecksum, "the header does not match its checksum: the file is damaged, or was changed by another program");
  }
  void check_data() const {
    size_t sums = 0;
    for (const auto& [key, value] : file_.metadata) sums += key.starts_with(kDataKey) ? 1 : 0;
    if (sums != file_.tensors.size()) refuse(Error::BadFile, "has " + std::to_string(file_.tensors.size()) + " tensors and " + std::to_string(sums) + " checksums");
    for (const io::SafeTensor& t : file_.tensors) {
      const auto it = file_.metadata.find(std::string(kDataKey) + t.name);
      if (it == file_.metadata.end()) refuse(Error::BadFile, "tensor '" + io::printable(t.name) + "' has no checksum");
      if (it->second != hex(crc32c(t.data.data(), t.data.size())))
        refuse(Error::BadChecksum, "tensor '" + io::printable(t.name) + "' does not match its checksum: the file is damaged");
      if (t.dtype == DType::Bool && std::any_of(t.data.begin(), t.data.end(), [](std::byte b) { return b > std::byte{1}; }))
        refuse(Error::BadFile, "tensor '" + io::printable(t.name) + "' of type bool has bytes other than 0 and 1");
    }
  }
  int64_t step() const {
    const auto it = file_.metadata.find(kStepKey);
    if (it == file_.metadata.end()) refuse(Error::BadFile, std::string("has no metadata '") + kStepKey + "'");
    return whole_number(kStepKey, it->second);
  }
  std::string graph() const {
    const auto it = file_.metadata.find(kGraphKey);
    return it == file_.metadata.end() ? std::string() : it->second;
  }
  Texts counters() const {
    Texts all;
    for (const auto& [key, value] : file_.metadata)
      if (!key.starts_with(kOurs)) all.emplace(key, value);
    return all;
  }

 private:
  int64_t whole_number(const char* key, const std::string& text) const {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0)
      refuse(Error::BadFile, std::string("metadata '") + key + "' is '" + io::printable(text) + "', no whole number from 0 to 2^63 - 1");
    return value;
  }

  const io::SafeTensors& file_;
  const std::string& where_;
};

// Data are read here for their checksums, once more for being written: twice through memory, never copied.
io::SafeTensorsHead head_of(const Snapshot& s) {
  if (s.step < 0) throw Exception(Error::InvalidArgument, "checkpoint: step " + std::to_string(s.step) + " is negative");
  Texts metadata = s.counters;
  for (const auto& [key, value] : s.counters)
    if (key.starts_with(kOurs)) throw Exception(Error::InvalidArgument, "checkpoint: names of counters do not begin with 'gf.': '" + io::printable(key) + "'");
  metadata[kVersionKey] = std::to_string(checkpoint::kVersion);
  metadata[kStepKey] = std::to_string(s.step);
  if (!s.graph.empty()) metadata[kGraphKey] = s.graph;
  metadata[kHeaderKey] = std::string(kDigits, '0');
  for (const io::SafeTensor& t : s.tensors) metadata[std::string(kDataKey) + t.name] = hex(crc32c(t.data.data(), t.data.size()));
  io::SafeTensorsHead head = io::safetensors_head(s.tensors, metadata, checkpoint::kAlignment);
  if (!checkpoint::seal_header(head.bytes)) throw Exception(Error::Internal, "checkpoint: the header has no place for its checksum");
  return head;
}

}  // namespace

bool checkpoint::seal_header(std::span<char> head) {
  const std::string_view text(head.data(), head.size());
  const size_t digits = place_of_checksum(text);
  if (digits == std::string_view::npos) return false;
  std::memcpy(head.data() + digits, hex(header_checksum(text, digits)).data(), kDigits);
  return true;
}

const io::SafeTensor* Snapshot::find(const std::string& name) const {
  const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const io::SafeTensor& t) { return t.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}
uint64_t Snapshot::data_bytes() const {
  uint64_t sum = 0;
  for (const io::SafeTensor& t : tensors) sum += t.data.size();
  return sum;
}

Checkpoint parse_checkpoint(io::Bytes bytes, const std::string& where, const io::Limits& limits) {
  Checkpoint c;
  c.bytes = std::move(bytes);
  io::SafeTensors file = io::parse_safetensors(c.bytes, where, limits);
  const Reader reader(file, where);
  reader.check_version();
  size_t data = c.bytes.size();
  for (const io::SafeTensor& t : file.tensors) data -= t.data.size();  // what is left is the header: there are no holes
  reader.check_header({reinterpret_cast<const char*>(c.bytes.data()), data});
  reader.check_data();
  c.step = reader.step();
  c.graph = reader.graph();
  c.counters = reader.counters();
  c.tensors = std::move(file.tensors);
  return c;
}

Checkpoint read_checkpoint(const std::string& path, const io::Limits& limits) {
  return parse_checkpoint(io::read_file(path, limits), io::printable(path), limits);
}

namespace {

template <class Sink>
void emit(const io::SafeTensorsHead& head, const Snapshot& snapshot, Sink sink) {
  sink(std::as_bytes(std::span(head.bytes)));
  for (const size_t i : head.order) sink(snapshot.tensors[i].data);
}

}  // namespace

void write_checkpoint(io::AtomicFileWriter& writer, const Snapshot& snapshot) {
  emit(head_of(snapshot), snapshot, [&writer](io::ByteSpan piece) { writer.write(piece); });
}

void write_checkpoint(const std::string& path, const Snapshot& snapshot) {
  const io::SafeTensorsHead head = head_of(snapshot);  // a refusal touches no file
  io::AtomicFileWriter writer(path);
  emit(head, snapshot, [&writer](io::ByteSpan piece) { writer.write(piece); });
  writer.commit();
}

io::Bytes checkpoint_bytes(const Snapshot& snapshot) {
  io::Bytes bytes;
  emit(head_of(snapshot), snapshot, [&bytes](io::ByteSpan piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

}  // namespace gf
