// reshape, squeeze, unsqueeze, flatten: the bytes stay as they are. A session gives output and input one memory and
// nothing is copied; elsewhere it is one memcpy.
#include "schema/ops/reshape.h"

#include "ops/cpu/movement.h"
#include "schema/ops/flatten.h"
#include "schema/ops/squeeze.h"
#include "schema/ops/unsqueeze.h"

namespace gf::cpu {
namespace {

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  if (x.count() != c.output(0).count())
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "the new shape holds %lld elements, the input %lld",
                   static_cast<long long>(c.output(0).count()), static_cast<long long>(x.count()));
  copy_dense(c.parallel, x, c.output(0));
  return Error::Ok;
}

}  // namespace

extern const Kernel reshape_kernel, squeeze_kernel, unsqueeze_kernel, flatten_kernel;
const Kernel reshape_kernel{
    .op = op::Reshape::info.id, .name = "reshape_portable", .rank = 10, .prepare = prepare, .run = run};
const Kernel squeeze_kernel{
    .op = op::Squeeze::info.id, .name = "squeeze_portable", .rank = 10, .prepare = prepare, .run = run};
const Kernel unsqueeze_kernel{
    .op = op::Unsqueeze::info.id, .name = "unsqueeze_portable", .rank = 10, .prepare = prepare, .run = run};
const Kernel flatten_kernel{
    .op = op::Flatten::info.id, .name = "flatten_portable", .rank = 10, .prepare = prepare, .run = run};

}  // namespace gf::cpu
