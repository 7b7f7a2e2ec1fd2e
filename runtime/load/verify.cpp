#include "runtime/load/verify.h"

#include <cstring>

#include "schema/format/format.h"
#include "schema/format/model_fields.h"

namespace gf {
namespace {

enum Form : uint8_t { kNumber = 0, kNumbers = 1, kString = 2, kStrings = 3, kTable = 4, kTables = 5 };

// Depth of the recursion: the schema has no cycle of tables.
class Walk {
 public:
  Walk(std::span<const std::byte> header, uint32_t tables) : data_(header.data()), size_(header.size()), tables_(tables) {}

  bool field(uint8_t kind, size_t at) {
    const size_t size = size_t{1} << (kind & 15U);
    if (kind >> 4 == kNumber) return at % size == 0 && inside(at, size);
    uint32_t offset = 0;
    if (!number(at, offset) || offset - 1 >= 0x7fffffffU) return false;
    at += offset;
    return kind >> 4 == kTable ? table(kind & 15U, at) : list(kind, at, size);
  }

 private:
  bool inside(size_t at, size_t bytes) const { return bytes < size_ && at <= size_ - bytes; }

  template <class T>
  bool number(size_t at, T& out) const {
    if (at % sizeof out != 0 || !inside(at, sizeof out)) return false;
    std::memcpy(&out, data_ + at, sizeof out);
    return true;
  }

  bool list(uint8_t kind, size_t at, size_t size) {
    const int form = kind >> 4;
    if (form == kString) size = 1;
    else if (form != kNumbers) size = sizeof(uint32_t);
    uint32_t count = 0;
    if (!number(at, count) || count > size_ / size) return false;
    at += sizeof count;
    if (!inside(at, count * size)) return false;
    if (form == kString) return inside(at + count, 1) && data_[at + count] == std::byte{0};
    if (form == kNumbers) return count == 0 || at % (size < 8 ? size : 8) == 0;
    for (; count > 0; --count, at += size)
      if (!field(static_cast<uint8_t>(kind - 16), at)) return false;  // the same, one instead of a list
    return true;
  }

  bool table(unsigned index, size_t at) {
    if (tables_ == 0) return false;
    --tables_;
    int32_t back = 0;
    uint16_t bytes = 0;  // of the list of the fields' places
    if (!number(at, back)) return false;
    const size_t places = at - static_cast<size_t>(back);
    if (!number(places, bytes) || bytes % sizeof bytes != 0 || !inside(places, bytes)) return false;
    size_t place = 4;
    for (unsigned f = format::kFirstField[index]; f < format::kFirstField[index + 1] && place < bytes; ++f, place += 2) {
      uint16_t offset = 0;
      if (!number(places + place, offset)) return false;
      if (offset != 0 && !field(format::kFieldKinds[f], at + offset)) return false;
    }
    return true;
  }

  const std::byte* data_;
  size_t size_;
  uint32_t tables_;
};

}  // namespace

bool verify_header(std::span<const std::byte> header, uint32_t tables) {
  return Walk(header, tables).field(kTable << 4 | format::kRootTable, format::kPrefixBytes);
}

}  // namespace gf
