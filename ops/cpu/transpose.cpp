// transpose: y[.., i_perm[d], ..] = x[.., i_d, ..] as one strided copy.
#include "schema/ops/transpose.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

Error run(RunContext& c) {
  const auto& a = c.attributes<op::Transpose::Attrs>();
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t source[kMaxRank], target[kMaxRank];
  dense_strides(x.shape, source);
  dense_strides(y.shape, target);
  CopyBox box;
  for (int d = 0; d < x.shape.rank; ++d) {
    const int axis = a.perm.empty() ? x.shape.rank - 1 - d : wrap_axis(a.perm[static_cast<size_t>(d)], x.shape.rank);
    box.push(y.shape[d], source[axis], target[d]);
  }
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

}  // namespace

extern const Kernel transpose_kernel;
const Kernel transpose_kernel{
    .op = op::Transpose::info.id, .name = "transpose_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
