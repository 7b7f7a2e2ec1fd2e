// libFuzzer target: any .gf gives an error, or a session that runs and answers. The input is a whole file; its seal is made
// right first, so that the fuzzer need not guess checksums and reaches the rules behind them.
#include <vector>

#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#endif
#include "tests/runtime/gf_file_spec.h"
#include "tests/runtime/try_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gf;
  if (size < 64) return 0;
  const auto* first = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> file(first, first + size);
  test::reseal(file);
  test::TryOptions options;
  options.planned_bytes = 4 << 20;
  const uint32_t hash = crc32c(data, size);
  options.seed = hash | 1U;
#if GF_SIMD
  if ((hash & 2U) != 0) options.isa = simd::best_isa();
#endif
  static_cast<void>(test::try_file(file, options));
  return 0;
}
