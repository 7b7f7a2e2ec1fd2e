// pack_bits: a task makes whole bytes of the result.
#include "schema/ops/pack_bits.h"

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

constexpr int64_t kGrain = 1 << 13;  // bytes of the result

Error run(RunContext& c) {
  const int64_t count = c.input(0).count();
  const auto* const x = c.input(0).as<const uint8_t>();
  auto* const y = c.output(0).as<uint8_t>();
  c.parallel.chunks((count + 7) / 8, kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t j = begin; j < end; ++j) {
      unsigned byte = 0;
      for (int64_t k = 0; k < 8 && 8 * j + k < count; ++k) byte |= (x[8 * j + k] != 0 ? 1U : 0U) << k;
      y[j] = static_cast<uint8_t>(byte);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel pack_bits_kernel;
const Kernel pack_bits_kernel{.op = op::PackBits::info.id, .name = "pack_bits_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
