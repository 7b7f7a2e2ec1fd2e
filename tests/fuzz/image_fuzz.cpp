// libFuzzer target: any bytes give a picture or a gf::Exception from io::decode_image.
#include <cstddef>
#include <cstdint>

#include "io/image.h"
#include "runtime/core/exception.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gf::io::Limits limits;
  limits.max_pixels = 1 << 20;
  try {
    (void)gf::io::decode_image(std::as_bytes(std::span(data, size)), "fuzz", limits);
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
