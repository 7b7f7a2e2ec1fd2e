// pack_bits and unpack_bits on the vector functions.
#include "ops/cpu/simd/bits.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/pack_bits.h"
#include "schema/ops/unpack_bits.h"

namespace gf::simd {
namespace {

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}
Error init(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}
Error run_pack(RunContext& c) {
  pack_bits(*static_cast<const Isa*>(c.data), c.input(0).as<const uint8_t>(), c.input(0).count(), c.output(0).as<uint8_t>(), c.parallel);
  return Error::Ok;
}
Error run_unpack(RunContext& c) {
  unpack_bits(*static_cast<const Isa*>(c.data), c.input(0).as<const uint8_t>(), c.output(0).count(), c.output(0).as<uint8_t>(), c.parallel);
  return Error::Ok;
}

}  // namespace

extern const Kernel pack_bits_kernel, unpack_bits_kernel;
const Kernel pack_bits_kernel{.op = op::PackBits::info.id, .name = "pack_bits_simd", .rank = 20, .prepare = prepare, .init = init, .run = run_pack};
const Kernel unpack_bits_kernel{.op = op::UnpackBits::info.id, .name = "unpack_bits_simd", .rank = 20, .prepare = prepare, .init = init, .run = run_unpack};

}  // namespace gf::simd
