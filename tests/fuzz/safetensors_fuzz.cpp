// libFuzzer target: any bytes give tensors, all inside the file, or a gf::Exception from io::parse_safetensors.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "io/safetensors.h"
#include "runtime/core/exception.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const gf::io::SafeTensor& t : gf::io::parse_safetensors(bytes, "fuzz").tensors) {
      if (!t.data.empty() && (t.data.data() < bytes.data() || t.data.data() + t.data.size() > bytes.data() + size)) std::abort();
      (void)t.to_array();
    }
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
