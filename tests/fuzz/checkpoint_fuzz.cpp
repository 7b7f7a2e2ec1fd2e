// libFuzzer target: any bytes give a checkpoint, all of whose tensors lie inside the file, or a gf::Exception. The header's checksum is made
// right first where there is one, so that the fuzzer need not guess it and reaches what is behind it.
// needs: GF_TRAINER
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "runtime/core/exception.h"
#include "trainer/checkpoint/container.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  for (const bool sealed : {false, true}) {
    gf::io::Bytes bytes(input.begin(), input.end());
    uint64_t length = 0;
    if (size >= sizeof length) std::memcpy(&length, data, sizeof length);
    if (sealed && (size < sizeof length || length > size - sizeof length ||
                   !gf::checkpoint::seal_header({reinterpret_cast<char*>(bytes.data()), static_cast<size_t>(length) + sizeof length})))
      continue;
    try {
      const gf::Checkpoint c = gf::parse_checkpoint(std::move(bytes), "fuzz");
      if (c.step < 0) std::abort();
      for (const gf::io::SafeTensor& t : c.tensors) {
        if (!t.data.empty() && (t.data.data() < c.bytes.data() || t.data.data() + t.data.size() > c.bytes.data() + c.bytes.size())) std::abort();
        (void)t.to_array();
      }
      (void)gf::checkpoint_bytes(c);
    } catch (const gf::Exception&) {  // the expected answer to most inputs
    }
  }
  return 0;
}
