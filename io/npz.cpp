// .npz: zip archives (PKWARE APPNOTE 6.3, with zip64) of .npy files. The central directory decides what is in the
// archive; local headers are only used to find where the data starts.
#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "io/inflate.h"
#include "io/npy.h"
#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::io {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kCentralMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kLocator64Magic = 0x07064b50;
constexpr uint32_t kUse64 = 0xffffffff;
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;

struct Entry {
  std::string name;
  uint32_t crc = 0;
  unsigned flags = 0, method = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

// Little-endian fields with every access inside the buffer, or a typed error.
class Reader {
 public:
  Reader(ByteSpan bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  uint64_t get(uint64_t offset, size_t width) const {
    const ByteSpan field = range(offset, width);
    uint64_t value = 0;
    for (size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(field[i]);
    return value;
  }
  ByteSpan range(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) bad("points beyond the end of the file");
    return bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw Exception(Error::BadFile, where_ + ": zip archive " + what + "; the file is damaged or truncated");
  }
  uint64_t size() const { return bytes_.size(); }

 private:
  ByteSpan bytes_;
  const std::string& where_;
};

// Fills the fields that the central record left at 0xffffffff from its zip64 extra field.
void read_zip64_extra(const Reader& in, uint64_t at, uint64_t extra_bytes, Entry& entry) {
  const uint64_t end = at + extra_bytes;
  while (at + 4 <= end) {
    const uint64_t id = in.get(at, 2), size = in.get(at + 2, 2);
    at += 4;
    if (size > end - at) in.bad("has a broken extra field");
    if (id == 1) {
      const uint64_t stop = at + size;
      for (uint64_t* field : {&entry.size, &entry.packed, &entry.offset}) {
        if (*field != kUse64) continue;
        if (stop - at < 8) in.bad("has a zip64 field that is too short");
        *field = in.get(at, 8);
        at += 8;
      }
      return;
    }
    at += size;
  }
}

struct Directory {
  uint64_t count = 0, offset = 0, size = 0;
};

Directory find_directory(const Reader& in) {
  if (in.size() < kEndBytes) in.bad("is too short");
  // the end record stands at the very end but for a comment of up to 65535 bytes whose length it states
  for (uint64_t comment = 0; comment <= 0xffff && kEndBytes + comment <= in.size(); ++comment) {
    const uint64_t end = in.size() - kEndBytes - comment;
    if (in.get(end, 4) != kEndMagic || in.get(end + 20, 2) != comment) continue;
    if (in.get(end + 4, 2) != 0 || in.get(end + 6, 2) != 0) in.bad("spans several disks");
    Directory found{in.get(end + 10, 2), in.get(end + 16, 4), in.get(end + 12, 4)};
    uint64_t stop = end;
    if (end >= kLocator64Bytes && in.get(end - kLocator64Bytes, 4) == kLocator64Magic) {
      const uint64_t end64 = in.get(end - kLocator64Bytes + 8, 8);
      if (in.range(end64, kEnd64Bytes).empty() || in.get(end64, 4) != kEnd64Magic) in.bad("has no zip64 end record");
      found = {in.get(end64 + 32, 8), in.get(end64 + 48, 8), in.get(end64 + 40, 8)};
      stop = end64;
    }
    if (found.offset > stop || found.size != stop - found.offset) in.bad("has a directory that does not fit");
    return found;
  }
  in.bad("has no end record");
}

std::vector<Entry> read_directory(const Reader& in, const Limits& limits, const std::string& where) {
  const Directory directory = find_directory(in);
  if (directory.count > limits.max_entries)
    throw Exception(Error::LimitExceeded,
                    where + ": zip archive says it has " + std::to_string(directory.count) + " entries");
  if (directory.count > directory.size / kCentralBytes) in.bad("has fewer entries than it says");
  std::vector<Entry> entries;
  std::set<std::string> names;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (in.get(at, 4) != kCentralMagic) in.bad("has a broken directory");
    Entry entry{"",
                static_cast<uint32_t>(in.get(at + 16, 4)),
                static_cast<unsigned>(in.get(at + 8, 2)),
                static_cast<unsigned>(in.get(at + 10, 2)),
                in.get(at + 20, 4),
                in.get(at + 24, 4),
                in.get(at + 42, 4)};
    const uint64_t name_bytes = in.get(at + 28, 2), extra_bytes = in.get(at + 30, 2), note_bytes = in.get(at + 32, 2);
    const ByteSpan name = in.range(at + kCentralBytes, name_bytes);
    entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    in.range(at + kCentralBytes + name_bytes, extra_bytes + note_bytes);
    read_zip64_extra(in, at + kCentralBytes + name_bytes, extra_bytes, entry);
    at += kCentralBytes + name_bytes + extra_bytes + note_bytes;
    if (entry.name.find('\0') != std::string::npos || !names.insert(entry.name).second)
      in.bad("has a repeated or unusable entry name '" + printable(entry.name) + "'");
    entries.push_back(std::move(entry));
  }
  if (at != directory.offset + directory.size) in.bad("has a directory of another length than it says");
  return entries;
}

// Where the data of each entry stands; refuses entries that overlap (the quine and overlap bombs need that).
std::vector<ByteSpan> locate(const Reader& in, const std::vector<Entry>& entries) {
  std::vector<ByteSpan> data;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Entry& entry : entries) {
    if (in.get(entry.offset, 4) != kLocalMagic) in.bad("has no data where '" + printable(entry.name) + "' should be");
    const uint64_t start = entry.offset + kLocalBytes + in.get(entry.offset + 26, 2) + in.get(entry.offset + 28, 2);
    data.push_back(in.range(start, entry.packed));
    ranges.emplace_back(entry.offset, start + entry.packed);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) in.bad("has entries that overlap");
  return data;
}

Array read_entry(const Entry& entry, ByteSpan data, const std::string& where, const Limits& limits) {
  constexpr unsigned kEncrypted = 1U;
  if ((entry.flags & kEncrypted) != 0 || (entry.method != 0 && entry.method != 8))
    throw Exception(Error::Unsupported, where + ": encrypted, or compressed with zip method " +
                                            std::to_string(entry.method) +
                                            "; only stored and deflated entries are read");
  if (entry.method == 0 && entry.size != entry.packed)
    throw Exception(Error::BadFile, where + ": stored entry with two different sizes");
  Bytes inflated;
  if (entry.method == 8) {
    inflated = inflate_raw(data, entry.size, where, limits);
    data = inflated;
  }
  if (crc32_of(data) != entry.crc)
    throw Exception(Error::BadChecksum, where + ": content does not match its CRC-32; the file is damaged");
  return parse_npy(data, where, limits);
}

}  // namespace

std::vector<NamedArray> parse_npz(ByteSpan bytes, const std::string& where, const Limits& limits) {
  constexpr std::string_view kSuffix = ".npy";
  const Reader in(bytes, where);
  const std::vector<Entry> entries = read_directory(in, limits, where);
  const std::vector<ByteSpan> data = locate(in, entries);
  uint64_t total_packed = 0, total = 0;
  for (const Entry& entry : entries) {
    if (!add_checked(total, entry.size, total)) total = UINT64_MAX;
    total_packed += entry.packed;  // cannot wrap: the ranges are disjoint parts of the file
    if (entry.method == 8) check_inflated(total_packed, total, where, limits);
  }
  std::vector<NamedArray> out;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string& name = entries[i].name;
    if (!name.ends_with(kSuffix)) continue;
    out.push_back({name.substr(0, name.size() - kSuffix.size()),
                   read_entry(entries[i], data[i], where + ": entry '" + printable(name) + "'", limits)});
  }
  return out;
}

std::vector<NamedArray> read_npz(const std::string& path, const Limits& limits) {
  return parse_npz(read_file(path, limits), printable(path), limits);
}

namespace {

class LittleEndian {
 public:
  LittleEndian& put(uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xffU));
    return *this;
  }
  LittleEndian& put(std::string_view text) {
    const auto raw = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// The fields that local and central records share: version, flags (UTF-8 names), method, DOS time and date (fixed at
// 1980-01-01, so equal arrays give equal files), CRC, both sizes, lengths of name and extra field.
void put_common(LittleEndian& out, uint32_t crc, uint64_t size, const std::string& name, size_t extra_bytes) {
  constexpr uint64_t kVersion64 = 45, kUtf8 = 0x800, kFirstDay = 0x21;
  const uint64_t field = std::min<uint64_t>(size, kUse64);
  out.put(kVersion64, 2).put(kUtf8, 2).put(0, 2).put(0, 2).put(kFirstDay, 2).put(crc, 4).put(field, 4).put(field, 4);
  out.put(name.size(), 2).put(extra_bytes, 2);
}

// Gives `sink` the archive piece by piece, so that a file never needs a second copy in memory.
template <class Sink>
void emit_npz(const std::vector<NamedArray>& arrays, Sink&& sink) {
  LittleEndian central;
  std::set<std::string> names;
  uint64_t at = 0;
  for (const auto& [plain_name, array] : arrays) {
    const std::string name = plain_name + ".npy";
    if (plain_name.empty() || name.size() > 0xffff || !names.insert(name).second)
      throw Exception(Error::InvalidArgument, "npz: empty, repeated or too long name '" + printable(plain_name) + "'");
    const Bytes data = npy_bytes(array);
    const uint32_t crc = crc32_of(data);
    const bool big = data.size() >= kUse64, far = at >= kUse64;
    LittleEndian local;
    put_common(local.put(kLocalMagic, 4), crc, data.size(), name, big ? 20 : 0);
    local.put(name);
    if (big) local.put(1, 2).put(16, 2).put(data.size(), 8).put(data.size(), 8);
    const size_t extra = (big ? 16U : 0U) + (far ? 8U : 0U);
    put_common(central.put(kCentralMagic, 4).put(45, 2), crc, data.size(), name, extra != 0 ? extra + 4 : 0);
    central.put(0, 2).put(0, 2).put(0, 2).put(0, 4).put(std::min<uint64_t>(at, kUse64), 4).put(name);
    if (extra != 0) central.put(1, 2).put(extra, 2);
    if (big) central.put(data.size(), 8).put(data.size(), 8);
    if (far) central.put(at, 8);
    sink(ByteSpan(local.bytes()));
    sink(ByteSpan(data));
    at += local.bytes().size() + data.size();
  }
  LittleEndian end;
  const uint64_t size = central.bytes().size(), count = arrays.size();
  if (count >= 0xffff || size >= kUse64 || at >= kUse64) {
    end.put(kEnd64Magic, 4).put(kEnd64Bytes - 12, 8).put(45, 2).put(45, 2).put(0, 4).put(0, 4);
    end.put(count, 8).put(count, 8).put(size, 8).put(at, 8);
    end.put(kLocator64Magic, 4).put(0, 4).put(at + size, 8).put(1, 4);
  }
  const uint64_t short_count = std::min<uint64_t>(count, 0xffff);
  end.put(kEndMagic, 4).put(0, 4).put(short_count, 2).put(short_count, 2);
  end.put(std::min<uint64_t>(size, kUse64), 4).put(std::min<uint64_t>(at, kUse64), 4).put(0, 2);
  sink(ByteSpan(central.bytes()));
  sink(ByteSpan(end.bytes()));
}

}  // namespace

Bytes npz_bytes(const std::vector<NamedArray>& arrays) {
  Bytes out;
  emit_npz(arrays, [&out](ByteSpan piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return out;
}

void write_npz(const std::string& path, const std::vector<NamedArray>& arrays) {
  AtomicFileWriter writer(path);
  emit_npz(arrays, [&writer](ByteSpan piece) { writer.write(piece); });
  writer.commit();
}

}  // namespace gf::io
