// needs: GF_TRAINER GF_CONVERTER
// libFuzzer target: any vocabulary and merges give a tokenizer that encodes and decodes, or a gf::Exception. The input is the
// vocabulary, a NUL, the merges, a NUL, and a text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/core/exception.h"
#include "trainer/data/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size), parts[3];
  for (std::string_view& part : parts) {
    part = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(part.size() < rest.size() ? part.size() + 1 : rest.size());
  }
  try {
    const auto tokenizer = gf::data::BpeTokenizer::parse(parts[0], parts[1], "vocabulary", "merges");
    const auto tokens = tokenizer.encode(parts[2]);
    if (tokenizer.decode(tokens) != parts[2]) __builtin_trap();
  } catch (const gf::Exception&) {  // the expected answer to most inputs
  }
  return 0;
}
