// Ops whose output is the bytes of their input: identity, bit_cast. The planner gives both one buffer where it can;
// then there is nothing to do.
#include "ops/cpu/op_util.h"
#include "schema/ops/bit_cast.h"
#include "schema/ops/identity.h"

namespace gf::cpu {
namespace {

Error prepare(const NodeView& node, KernelPlan& plan) {
  if (dtype_bits(node.input(0).dtype) == 0) return plan.refuse("elements without a size");
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error run(RunContext& context) {
  const TensorView& x = context.input(0);
  void* y = context.output(0).data;
  const int64_t bytes = dense_bytes(x.dtype, x.count());
  if (y != x.data && bytes > 0) std::memcpy(y, x.data, static_cast<size_t>(bytes));
  return Error::Ok;
}

}  // namespace

extern const Kernel identity_kernel;
extern const Kernel bit_cast_kernel;
const Kernel identity_kernel{
    .op = op::Identity::info.id, .name = "identity_portable", .rank = 10, .prepare = prepare, .run = run};
const Kernel bit_cast_kernel{
    .op = op::BitCast::info.id, .name = "bit_cast_portable", .rank = 10, .prepare = prepare, .run = run};

}  // namespace gf::cpu
