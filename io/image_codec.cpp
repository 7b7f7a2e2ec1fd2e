// PNG and JPEG by stb, wrapped so that hostile files are bounded: the structure is checked before stb sees the bytes,
// and every allocation stb makes is zeroed (it may read tables that the file never defined) and held against a cap
// derived from the picture's real size. Compiled with -fwrapv: stb's JPEG arithmetic overflows on damaged data.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string_view>

namespace {
// Largest single allocation that stb may make for the picture being decoded on this thread.
thread_local size_t stb_cap = 0;
void* stb_malloc(size_t size) { return size <= stb_cap ? std::calloc(size, 1) : nullptr; }
void* stb_realloc(void* old, size_t size) { return size <= stb_cap ? std::realloc(old, size) : nullptr; }
}  // namespace

#define STBI_MALLOC(size) stb_malloc(size)
#define STBI_REALLOC(old, size) stb_realloc(old, size)
#define STBI_FREE(old) std::free(old)
#define STBI_ASSERT(condition) ((void)0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 32768
#include <stb/stb_image.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

#include "io/image.h"
#include "io/inflate.h"
#include "runtime/core/exception.h"

namespace gf::io {
namespace {

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegMagic = "\xff\xd8\xff";

void check_pixels(uint64_t width, uint64_t height, const std::string& where, const Limits& limits) {
  if (width * height > limits.max_pixels)
    throw Exception(Error::LimitExceeded, where + ": " + std::to_string(width) + " x " + std::to_string(height) +
                                              " pixels is above the limit of " + std::to_string(limits.max_pixels));
}

// stb looks neither at CRCs nor at what comes after the last row: do it here.
void check_png(ByteSpan bytes, const std::string& where, const Limits& limits) {
  const auto big_endian = [bytes](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
    return value;
  };
  constexpr size_t kFrame = 12;          // length, type, CRC
  constexpr uint32_t kEnd = 0x49454e44;  // "IEND"
  size_t at = kPngMagic.size();
  while (bytes.size() - at >= kFrame) {
    const size_t size = big_endian(at);
    if (size > bytes.size() - at - kFrame) break;
    if (crc32_of(bytes.subspan(at + 4, size + 4)) != big_endian(at + 8 + size))
      throw Exception(Error::BadChecksum, where + ": a PNG chunk does not match its CRC; the file is damaged");
    if (at == kPngMagic.size() && size >= 8) check_pixels(big_endian(at + 8), big_endian(at + 12), where, limits);
    if (big_endian(at + 4) == kEnd) return;
    at += size + kFrame;
  }
  throw Exception(Error::BadFile, where + ": the PNG ends inside a chunk; the file is truncated");
}

// stb 2.27 (Debian 12) writes past its Huffman tables when a DHT segment names more than 256 symbols. This walk visits
// at least every segment that stb will: it skips entropy-coded data (FF 00 and FF D0..D7 belong to it) and padding.
void check_jpeg(ByteSpan bytes, const std::string& where) {
  const auto byte = [bytes](size_t at) { return at < bytes.size() ? std::to_integer<unsigned>(bytes[at]) : 0U; };
  const auto damaged = [&where](const char* what) {
    throw Exception(Error::BadFile, where + ": the JPEG " + what + "; the file is damaged or truncated");
  };
  constexpr unsigned kHuffmanTables = 0xc4, kEnd = 0xd9;
  for (size_t at = 2; at + 1 < bytes.size();) {
    const unsigned marker = byte(at + 1);
    const bool data = byte(at) != 0xff || marker == 0x00 || marker == 0xff || (marker >= 0xd0 && marker <= 0xd8);
    if (data) {
      ++at;
      continue;
    }
    if (marker == kEnd) return;
    const size_t size = byte(at + 2) << 8 | byte(at + 3);
    const size_t end = at + 2 + size;
    if (size < 2 || end > bytes.size()) damaged("has a segment that goes beyond its end");
    for (size_t table = at + 4; marker == kHuffmanTables && table < end;) {
      size_t symbols = 0;
      for (size_t i = 1; i <= 16; ++i) symbols += byte(table + i);
      if (symbols > 256 || table + 17 + symbols > end) damaged("has a broken Huffman table");
      table += 17 + symbols;
    }
    at = end;
  }
  damaged("has no end marker");
}

std::string stb_reason() {
  const char* reason = stbi_failure_reason();
  return reason != nullptr ? reason : "no reason given";
}

// Colour only: RGBA to RGB, gray + alpha to gray.
std::vector<uint8_t> without_alpha(const uint8_t* pixels, size_t count, size_t channels) {
  const size_t kept = channels - (channels + 1) % 2;
  std::vector<uint8_t> out(count * kept);
  for (size_t i = 0; i < count; ++i)
    for (size_t c = 0; c < kept; ++c) out[i * kept + c] = pixels[i * channels + c];
  return out;
}

}  // namespace

Image decode_image(ByteSpan bytes, const std::string& where, const Limits& limits) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool png = text.starts_with(kPngMagic);
  if (!png && !text.starts_with(kJpegMagic))
    throw Exception(Error::BadFile, where + ": neither PNG nor JPEG; convert the picture");
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    throw Exception(Error::LimitExceeded, where + ": pictures above 2 GB are not read");
  if (png) {
    check_png(bytes, where, limits);
  } else {
    check_jpeg(bytes, where);
  }

  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const auto size = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  // Working room of stb's decoder state, plus twice the file (compressed data is gathered, doubling its buffer).
  stb_cap = (size_t{1} << 20) + 2 * bytes.size();
  if (stbi_info_from_memory(data, size, &width, &height, &channels) == 0)
    throw Exception(Error::BadFile, where + ": cannot decode: " + stb_reason());
  check_pixels(static_cast<uint64_t>(width), static_cast<uint64_t>(height), where, limits);
  // 16 bits x 4 channels, rounded up to JPEG blocks (64 covers 4x4 sampling), and 1 more doubling of zlib's output.
  stb_cap += (static_cast<size_t>(width) + 64) * (static_cast<size_t>(height) + 64) * 16;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, 0), &stbi_image_free);
  if (pixels == nullptr) throw Exception(Error::BadFile, where + ": cannot decode: " + stb_reason());
  const auto count = static_cast<size_t>(width) * static_cast<size_t>(height);
  Image out{width, height, channels - (channels + 1) % 2, {}};
  out.pixels = without_alpha(pixels.get(), count, static_cast<size_t>(channels));
  return out;
}

Image read_image(const std::string& path, const Limits& limits) {
  return decode_image(read_file(path, limits), printable(path), limits);
}

Bytes png_bytes(const Image& image) {
  constexpr int64_t kLargest = 32768;
  if (image.width < 1 || image.height < 1 || image.width > kLargest || image.height > kLargest || image.channels < 1 ||
      image.channels > 4 || image.pixels.size() != static_cast<uint64_t>(image.width * image.height * image.channels) ||
      image.pixels.size() > static_cast<size_t>(std::numeric_limits<int>::max()) / 2)
    throw Exception(Error::InvalidArgument,
                    "png: an image needs 1 to 4 channels, sides of 1 to 32768 and matching pixels");
  Bytes out;
  const auto append = [](void* context, void* data, int size) {
    const auto* first = static_cast<const std::byte*>(data);
    static_cast<Bytes*>(context)->insert(static_cast<Bytes*>(context)->end(), first, first + size);
  };
  const auto width = static_cast<int>(image.width), channels = static_cast<int>(image.channels);
  if (stbi_write_png_to_func(append, &out, width, static_cast<int>(image.height), channels, image.pixels.data(),
                             width * channels) == 0)
    throw Exception(Error::OutOfMemory, "png: no memory to encode");
  return out;
}

void write_png(const std::string& path, const Image& image) { write_file(path, png_bytes(image)); }

}  // namespace gf::io
