// libFuzzer target: any bytes give an array or a gf::Exception from io::parse_npz.
#include <cstddef>
#include <cstdint>

#include "io/npy.h"
#include "runtime/core/exception.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gf::io::Limits limits;
  limits.max_inflated_bytes = 1 << 24;
  try {
    (void)gf::io::parse_npz(std::as_bytes(std::span(data, size)), "fuzz", limits);
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
