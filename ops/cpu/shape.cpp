// shape and size: dimensions as numbers.
#include "schema/ops/shape.h"

#include "ops/cpu/op_util.h"
#include "schema/ops/size.h"

namespace gf::cpu {
namespace {

Error run_shape(RunContext& c) {
  const Shape& s = c.input(0).shape;
  int start = 0, end = 0;
  op::ShapeOf::bounds(c.attributes<op::ShapeOf::Attrs>(), s.rank, start, end);
  for (int d = start; d < end; ++d) c.output(0).as<int64_t>()[d - start] = s[d];
  return Error::Ok;
}

Error run_size(RunContext& c) {
  *c.output(0).as<int64_t>() = c.input(0).count();
  return Error::Ok;
}

}  // namespace

extern const Kernel shape_kernel, size_kernel;
const Kernel shape_kernel{
    .op = op::ShapeOf::info.id, .name = "shape_portable", .rank = 10, .prepare = prepare_any, .run = run_shape};
const Kernel size_kernel{
    .op = op::Size::info.id, .name = "size_portable", .rank = 10, .prepare = prepare_any, .run = run_size};

}  // namespace gf::cpu
