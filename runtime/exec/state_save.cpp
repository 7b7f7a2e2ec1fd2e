// State as one block of bytes. Layout, little-endian: magic "GFST", version 1, count, CRC-32C of everything behind these 16
// bytes; then for each state name_bytes (u32), dtype (u32), rank (u32), dims (i64 each), data_bytes (u64), name, data.
#include <cstring>

#include "runtime/core/crc32c.h"
#include "runtime/exec/session.h"

namespace gf {
namespace {

constexpr uint32_t kMagic = 0x54534647;  // "GFST"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 16;

// Appends to a block, or only counts when there is none.
class Writer {
 public:
  explicit Writer(std::byte* to) : to_(to) {}
  void bytes(const void* from, uint64_t n) {
    if (to_ != nullptr && n != 0) std::memcpy(to_ + size_, from, static_cast<size_t>(n));
    size_ += n;
  }
  template <class T>
  void number(T v) {
    bytes(&v, sizeof v);
  }
  uint64_t size() const { return size_; }

 private:
  std::byte* to_;
  uint64_t size_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> from) : from_(from) {}
  /// nullptr when there are not that many bytes left.
  const std::byte* bytes(uint64_t n) {
    if (n > from_.size() - at_) {
      ok_ = false;
      return nullptr;
    }
    const std::byte* p = from_.data() + at_;
    at_ += static_cast<size_t>(n);
    return p;
  }
  template <class T>
  T number() {
    T v{};
    if (const std::byte* p = bytes(sizeof v)) std::memcpy(&v, p, sizeof v);
    return v;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return at_ == from_.size(); }

 private:
  std::span<const std::byte> from_;
  size_t at_ = 0;
  bool ok_ = true;
};

void write_states(const State& state, const Program& program, Writer& w) {
  for (int i = 0; i < state.count(); ++i) {
    const PortInfo p = program.state(i);
    const std::span<const std::byte> data = state.bytes(i);
    w.number(static_cast<uint32_t>(p.name.size()));
    w.number(static_cast<uint32_t>(p.dtype));
    w.number(static_cast<uint32_t>(p.rank));
    for (int d = 0; d < p.rank; ++d) w.number(p.bounds[d]);
    w.number(static_cast<uint64_t>(data.size()));
    w.bytes(p.name.data(), p.name.size());
    w.bytes(data.data(), data.size());
  }
}

struct Saved {
  std::string_view name;
  PortInfo port;
  std::span<const std::byte> data;
};

bool read_state(Reader& r, Saved& s) {
  const auto name_bytes = r.number<uint32_t>();
  const auto dtype = r.number<uint32_t>();
  const auto rank = r.number<uint32_t>();
  if (!r.ok() || rank > static_cast<uint32_t>(kMaxRank) || dtype >= static_cast<uint32_t>(kDTypeCount)) return false;
  s.port.dtype = static_cast<DType>(dtype);
  s.port.rank = static_cast<int>(rank);
  for (uint32_t d = 0; d < rank; ++d) s.port.bounds[d] = r.number<int64_t>();
  const auto data_bytes = r.number<uint64_t>();
  const auto* name = reinterpret_cast<const char*>(r.bytes(name_bytes));
  const std::byte* data = r.bytes(data_bytes);
  if (!r.ok()) return false;
  s.name = {name, name_bytes};
  s.data = {data, static_cast<size_t>(data_bytes)};
  return true;
}

Error check_fit(const Program& program, const State& state, const Saved& s, ErrorDetail* detail) {
  const int length = static_cast<int>(s.name.size() < 60 ? s.name.size() : 60);
  const int i = state.find(s.name);
  if (i < 0) return GF_FAIL(detail, Error::NotFound, -1, "the saved state '%.*s' is not one of this program", length, s.name.data());
  const PortInfo mine = program.state(i);
  if (mine.dtype != s.port.dtype)
    return GF_FAIL(detail, Error::TypeMismatch, -1, "state '%.*s' is %s, the saved one %s", length, s.name.data(), dtype_name(mine.dtype), dtype_name(s.port.dtype));
  bool same = mine.rank == s.port.rank && state.bytes(i).size() == s.data.size();
  for (int d = 0; same && d < mine.rank; ++d) same = mine.bounds[d] == s.port.bounds[d];
  if (!same) return GF_FAIL(detail, Error::ShapeMismatch, -1, "state '%.*s' has another shape than the saved one", length, s.name.data());
  return Error::Ok;
}

}  // namespace

uint64_t State::save_bytes() const {
  Writer count(nullptr);
  write_states(*this, *program_, count);
  return kHeaderBytes + count.size();
}

Error State::save(std::span<std::byte> destination, ErrorDetail* detail) const {
  const uint64_t needed = save_bytes();
  if (destination.size() < needed)
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "saving State needs %llu bytes, %zu were given", static_cast<unsigned long long>(needed), destination.size());
  Writer body(destination.data() + kHeaderBytes);
  write_states(*this, *program_, body);
  Writer header(destination.data());
  header.number(kMagic);
  header.number(kVersion);
  header.number(static_cast<uint32_t>(count()));
  header.number(crc32c(destination.data() + kHeaderBytes, static_cast<size_t>(body.size())));
  return Error::Ok;
}

Error State::restore(std::span<const std::byte> saved, ErrorDetail* detail) {
  Reader header(saved);
  const auto magic = header.number<uint32_t>();
  const auto version = header.number<uint32_t>();
  const auto saved_count = header.number<uint32_t>();
  const auto crc = header.number<uint32_t>();
  if (!header.ok() || magic != kMagic) return GF_FAIL(detail, Error::BadFile, -1, "these bytes are not a saved State");
  if (version != kVersion) return GF_FAIL(detail, Error::BadVersion, -1, "State was saved by a version that this one does not know");
  const std::span<const std::byte> body = saved.subspan(kHeaderBytes);
  if (crc32c(body.data(), body.size()) != crc) return GF_FAIL(detail, Error::BadChecksum, -1, "the saved State is damaged or cut");
  if (saved_count != static_cast<uint32_t>(count()))
    return GF_FAIL(detail, Error::NotFound, -1, "%u states were saved, this program has %d", saved_count, count());
  for (const bool apply : {false, true}) {  // nothing changes before everything fits
    Reader r(body);
    for (uint32_t k = 0; k < saved_count; ++k) {
      Saved s;
      if (!read_state(r, s)) return GF_FAIL(detail, Error::BadFile, -1, "the saved State is not well formed");
      if (!apply) GF_TRY(check_fit(*program_, *this, s, detail));
      else if (!s.data.empty()) std::memcpy(bytes(find(s.name)).data(), s.data.data(), s.data.size());
    }
    if (!r.at_end()) return GF_FAIL(detail, Error::BadFile, -1, "bytes behind the saved State");
  }
  return Error::Ok;
}

}  // namespace gf
