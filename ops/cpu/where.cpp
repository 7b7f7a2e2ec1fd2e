// z = condition ? x : y: pure movement, element by element.
#include "ops/cpu/movement.h"
#include "schema/ops/where.h"

namespace gf::cpu {
namespace {

Error run(RunContext& context) {
  const auto* condition = context.input(0).as<const uint8_t>();
  BroadcastWalk<3> walk;
  const Shape* shapes[3] = {&context.input(0).shape, &context.input(1).shape, &context.input(2).shape};
  walk.init(context.output(0).shape, shapes);
  const int last = walk.rank - 1;
  dispatch_element(context.output(0).dtype, [&](auto element) {
    const TensorView &x = context.input(1), &y = context.input(2), &z = context.output(0);
    const int64_t sc = walk.strides[0][last], sx = walk.strides[1][last], sy = walk.strides[2][last];
    context.parallel.chunks(walk.count, kGrain, [&](int64_t begin, int64_t end, int) {
      walk.runs(begin, end, [&](int64_t position, const int64_t* at, int64_t length) {
        for (int64_t k = 0; k < length; ++k) {
          const bool first = condition[at[0] + k * sc] != 0;
          element.copy(first ? x : y, first ? at[1] + k * sx : at[2] + k * sy, z, position + k);
        }
      });
    });
  });
  return Error::Ok;
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
