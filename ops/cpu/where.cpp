// z = condition ? x : y: pure movement, one instantiation per element size.
#include "ops/cpu/op_util.h"
#include "schema/ops/where.h"

namespace gf::cpu {
namespace {

template <class U>
Error where_run(RunContext& context) {
  const auto* condition = context.input(0).as<const uint8_t>();
  const U* x = context.input(1).as<const U>();
  const U* y = context.input(2).as<const U>();
  U* z = context.output(0).as<U>();
  BroadcastWalk<3> walk;
  const Shape* shapes[3] = {&context.input(0).shape, &context.input(1).shape, &context.input(2).shape};
  walk.init(context.output(0).shape, shapes);
  const int last = walk.rank - 1;
  const int64_t sc = walk.strides[0][last], sx = walk.strides[1][last], sy = walk.strides[2][last];
  context.parallel.chunks(walk.count, kGrain, [&](int64_t begin, int64_t end, int) {
    walk.runs(begin, end, [&](int64_t position, const int64_t* at, int64_t length) {
      for (int64_t k = 0; k < length; ++k)
        z[position + k] = condition[at[0] + k * sc] != 0 ? x[at[1] + k * sx] : y[at[2] + k * sy];
    });
  });
  return Error::Ok;
}

Error run(RunContext& context) {
  return dispatch_size(context.output(0).dtype, [&]<class U>() { return where_run<U>(context); });
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  for (int j = 1; j < 3; ++j)
    if (node.input(j).is_static && node.output(0).is_static && node.input(j).shape == node.output(0).shape)
      plan.inplace_inputs |= 1U << j;
  return Error::Ok;
}

}  // namespace

extern const Kernel where_kernel;
const Kernel where_kernel{.op = op::Where::info.id, .name = "where_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
