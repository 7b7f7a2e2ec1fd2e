// libFuzzer target: any bytes give an array or a gf::Exception from io::parse_wav.
#include <cstddef>
#include <cstdint>

#include "io/wav.h"
#include "runtime/core/exception.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gf::io::Limits limits;
  limits.max_inflated_bytes = 1 << 24;
  try {
    (void)gf::io::parse_wav(std::as_bytes(std::span(data, size)), "fuzz", size % 2 == 1, limits);
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
