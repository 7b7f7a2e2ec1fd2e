// Checkpoint files put together by hand, with right checksums unless a test wants wrong ones.
#pragma once

#include <cstdio>
#include <string>

#include "runtime/core/crc32c.h"
#include "trainer/checkpoint/container.h"

namespace gf::test {

inline std::string crc_text(const std::string& data) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", static_cast<unsigned>(crc32c(data.data(), data.size())));
  return text;
}

/// A file of this header and these data; `sealed`: with the header's checksum in its place, if there is one.
inline io::Bytes file_of(const std::string& header, const std::string& data, bool sealed = true) {
  std::string head(8, '\0');
  const auto length = static_cast<uint64_t>(header.size());
  for (size_t i = 0; i < 8; ++i) head[i] = static_cast<char>(length >> (8 * i) & 0xffU);
  head += header;
  if (sealed) (void)checkpoint::seal_header(head);
  head += data;
  const auto bytes = std::as_bytes(std::span(head));
  return {bytes.begin(), bytes.end()};
}

/// The parts of a header; change one and see.
struct HandMade {
  std::string version = R"("gf.checkpoint":"1",)";
  std::string step = R"("gf.step":"5",)";
  std::string seal = R"("gf.header_crc32c":"00000000")";
  std::string name = "a";            ///< as JSON text
  std::string dtype = "\"F32\"";
  std::string shape = "[2]";
  std::string offsets = "[0,8]";
  std::string data = std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  std::string crc;                   ///< empty: the right one
  std::string more_metadata, more_tensors;

  std::string header() const {
    const std::string sum = crc.empty() ? crc_text(data) : crc;
    return "{\"__metadata__\":{" + version + step + more_metadata + "\"gf.crc32c." + name + "\":\"" + sum + "\"," + seal + "},\"" + name + "\":{\"dtype\":" + dtype +
           ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}" + more_tensors + "}";
  }
  io::Bytes file(bool sealed = true) const { return file_of(header(), data, sealed); }
};

}  // namespace gf::test
