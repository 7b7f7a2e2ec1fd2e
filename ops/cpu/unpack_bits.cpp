// unpack_bits: a task reads whole bytes.
#include "schema/ops/unpack_bits.h"

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

constexpr int64_t kGrain = 1 << 13;  // bytes of the input

Error run(RunContext& c) {
  const int64_t count = c.output(0).count();
  const auto* const x = c.input(0).as<const uint8_t>();
  auto* const y = c.output(0).as<uint8_t>();
  c.parallel.chunks((count + 7) / 8, kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t j = begin; j < end; ++j)
      for (int64_t k = 0; k < 8 && 8 * j + k < count; ++k) y[8 * j + k] = (x[j] >> k) & 1U;
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel unpack_bits_kernel;
const Kernel unpack_bits_kernel{.op = op::UnpackBits::info.id, .name = "unpack_bits_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
