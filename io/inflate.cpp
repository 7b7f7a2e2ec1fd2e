// Bounded inflate over zlib: memory grows with real output, never with a declared size.
#include "io/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "runtime/core/exception.h"

namespace gf::io {
namespace {

constexpr size_t kStep = 1 << 16;
constexpr size_t kZlibMost = 1 << 30;  // zlib counts in unsigned int

struct Stream {
  z_stream z{};
  explicit Stream(int window_bits) {
    if (inflateInit2(&z, window_bits) != Z_OK) throw Exception(Error::OutOfMemory, "zlib: no memory to start");
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

// Inflates one stream from the front of `in` (which it advances), appending to `out`, at most `most` bytes in all.
// Returns false when more than `most` would come out.
bool inflate_one(Stream& stream, ByteSpan& in, Bytes& out, uint64_t most, const std::string& where) {
  int status = Z_OK;
  size_t used = out.size();
  while (status != Z_STREAM_END) {
    const size_t in_now = std::min(in.size(), kZlibMost);
    if (out.size() == used) {
      if (used > most) return false;  // one byte past the limit is allowed in: that proves there is more
      const uint64_t grow = std::max<uint64_t>(kStep, used / 2);
      out.resize(static_cast<size_t>(std::min<uint64_t>(used + grow, most + 1)));
    }
    const size_t out_now = std::min(out.size() - used, kZlibMost);
    stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream.z.avail_in = static_cast<uInt>(in_now);
    stream.z.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.z.avail_out = static_cast<uInt>(out_now);
    status = inflate(&stream.z, Z_NO_FLUSH);
    const size_t consumed = in_now - stream.z.avail_in;
    const size_t produced = out_now - stream.z.avail_out;
    in = in.subspan(consumed);
    used += produced;
    if (status == Z_MEM_ERROR) throw Exception(Error::OutOfMemory, where + ": no memory to decompress");
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      throw Exception(Error::BadFile, where + ": compressed data is damaged (" +
                                          (stream.z.msg != nullptr ? stream.z.msg : "no detail") + "); fetch it again");
    if (status != Z_STREAM_END && consumed == 0 && produced == 0)
      throw Exception(Error::BadFile, where + ": compressed data ends too early; the file is truncated");
  }
  out.resize(used);
  return used <= most;
}

}  // namespace

bool is_gzip(ByteSpan bytes) { return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}; }

void check_inflated(uint64_t input, uint64_t output, const std::string& where, const Limits& limits) {
  if (output > limits.max_inflated_bytes)
    throw Exception(Error::LimitExceeded, where + ": decompresses to more than " +
                                              std::to_string(limits.max_inflated_bytes) +
                                              " bytes; raise max_inflated_bytes if you trust the file");
  if (output > limits.free_inflated_bytes && output > input * limits.max_inflate_ratio)
    throw Exception(Error::LimitExceeded, where + ": decompresses to more than " +
                                              std::to_string(limits.max_inflate_ratio) +
                                              " times its size; raise max_inflate_ratio if you trust the file");
}

Bytes gunzip(ByteSpan bytes, const std::string& where, const Limits& limits) {
  const uint64_t by_ratio = bytes.size() * limits.max_inflate_ratio;
  const uint64_t most = std::min(limits.max_inflated_bytes, std::max(limits.free_inflated_bytes, by_ratio));
  Bytes out;
  ByteSpan rest = bytes;
  do {
    Stream stream(15 + 16);  // 16: gzip wrapper, whose CRC and length zlib checks
    if (!inflate_one(stream, rest, out, most, where)) check_inflated(bytes.size(), most + 1, where, limits);
  } while (is_gzip(rest));
  if (!rest.empty())
    throw Exception(Error::BadFile, where + ": " + std::to_string(rest.size()) + " bytes after the compressed data");
  return out;
}

Bytes inflate_raw(ByteSpan bytes, uint64_t size, const std::string& where, const Limits& limits) {
  check_inflated(bytes.size(), size, where, limits);
  Bytes out;
  ByteSpan rest = bytes;
  Stream stream(-15);
  if (!inflate_one(stream, rest, out, size, where) || out.size() != size || !rest.empty())
    throw Exception(Error::BadFile, where + ": compressed data does not have the declared size");
  return out;
}

uint32_t crc32_of(ByteSpan bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace gf::io
