// RIFF/WAVE reader: walks the chunks, takes "fmt " and the first "data", skips the rest.
#include "io/wav.h"

#include <cstring>
#include <string_view>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::io {
namespace {

constexpr uint32_t kPcm = 1, kFloat = 3, kExtensible = 0xfffe;

struct Format {
  uint32_t codec = 0, channels = 0, sample_rate = 0, block_bytes = 0, bits = 0;
};

uint32_t le(ByteSpan bytes, size_t at, size_t width) {
  uint32_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

std::string_view tag(ByteSpan bytes, size_t at) { return {reinterpret_cast<const char*>(bytes.data()) + at, 4}; }

Format parse_format(ByteSpan chunk, const std::string& where) {
  if (chunk.size() < 16) throw Exception(Error::BadFile, where + ": 'fmt ' chunk is too short");
  Format f{le(chunk, 0, 2), le(chunk, 2, 2), le(chunk, 4, 4), le(chunk, 12, 2), le(chunk, 14, 2)};
  if (f.codec == kExtensible) {
    if (chunk.size() < 40) throw Exception(Error::BadFile, where + ": extensible 'fmt ' chunk is too short");
    f.codec = le(chunk, 24, 2);  // the sub-format GUID opens with the plain codec number
  }
  const bool known = (f.codec == kPcm && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32)) ||
                     (f.codec == kFloat && (f.bits == 32 || f.bits == 64));
  if (!known)
    throw Exception(Error::Unsupported, where + ": wav codec " + std::to_string(f.codec) + " with " +
                                            std::to_string(f.bits) +
                                            " bits is not supported; convert to 16-bit PCM or 32-bit float");
  if (f.channels == 0 || f.sample_rate == 0 || f.block_bytes != f.channels * (f.bits / 8))
    throw Exception(Error::BadFile, where + ": 'fmt ' chunk contradicts itself (" + std::to_string(f.channels) +
                                        " channels, rate " + std::to_string(f.sample_rate) + ", " +
                                        std::to_string(f.block_bytes) + " bytes per frame)");
  return f;
}

float sample(ByteSpan data, size_t at, const Format& f) {
  if (f.codec == kFloat) {
    if (f.bits == 32) {
      float value;
      std::memcpy(&value, data.data() + at, sizeof value);
      return value;
    }
    double value;
    std::memcpy(&value, data.data() + at, sizeof value);
    return static_cast<float>(value);
  }
  if (f.bits == 8) return (static_cast<float>(le(data, at, 1)) - 128.0f) / 128.0f;
  // shift to the top of 32 bits so that the sign bit is in place for every width
  const auto wide = static_cast<int32_t>(le(data, at, f.bits / 8) << (32 - f.bits));
  return static_cast<float>(static_cast<double>(wide) / 0x1p31);
}

Array decode(ByteSpan data, const Format& f, bool mono, const std::string& where, const Limits& limits) {
  const size_t frames = data.size() / f.block_bytes, channels = f.channels, width = f.bits / 8;
  if (data.size() % f.block_bytes != 0) throw Exception(Error::BadFile, where + ": data ends inside a frame");
  if (frames * channels > limits.max_array_bytes / sizeof(float))
    throw Exception(Error::LimitExceeded, where + ": too many samples");
  std::vector<float> out(mono ? frames : frames * channels);
  for (size_t frame = 0; frame < frames; ++frame) {
    double sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      const float value = sample(data, frame * f.block_bytes + c * width, f);
      if (mono)
        sum += static_cast<double>(value);
      else
        out[frame * channels + c] = value;
    }
    if (mono) out[frame] = static_cast<float>(sum / static_cast<double>(channels));
  }
  const auto n = static_cast<int64_t>(frames);
  return Array::from(
      out, mono || channels == 1 ? std::vector<int64_t>{n} : std::vector<int64_t>{n, static_cast<int64_t>(channels)});
}

}  // namespace

Wav parse_wav(ByteSpan bytes, const std::string& where, bool mono, const Limits& limits) {
  if (bytes.size() >= 12 && tag(bytes, 0) == "RF64")
    throw Exception(Error::Unsupported, where + ": RF64 wav files are not supported; convert to plain RIFF");
  if (bytes.size() < 12 || tag(bytes, 0) != "RIFF" || tag(bytes, 8) != "WAVE")
    throw Exception(Error::BadFile, where + ": not a RIFF/WAVE file");
  Format format;
  size_t at = 12;
  while (bytes.size() - at >= 8) {
    const std::string_view id = tag(bytes, at);
    const size_t size = le(bytes, at + 4, 4);
    at += 8;
    if (size > bytes.size() - at)
      throw Exception(Error::BadFile, where + ": chunk '" + printable(id) + "' says " + std::to_string(size) +
                                          " bytes, but " + std::to_string(bytes.size() - at) +
                                          " are left; the file is truncated or was written to a pipe");
    if (id == "fmt ") format = parse_format(bytes.subspan(at, size), where);
    if (id == "data") {
      if (format.channels == 0) throw Exception(Error::BadFile, where + ": 'data' chunk without 'fmt ' before it");
      return {format.sample_rate, format.channels, decode(bytes.subspan(at, size), format, mono, where, limits)};
    }
    at += size;
    if (at < bytes.size()) at += size % 2;  // chunks are padded to even sizes
  }
  throw Exception(Error::BadFile, where + ": no 'data' chunk; the file is truncated");
}

Wav read_wav(const std::string& path, bool mono, const Limits& limits) {
  return parse_wav(read_file(path, limits), printable(path), mono, limits);
}

}  // namespace gf::io
