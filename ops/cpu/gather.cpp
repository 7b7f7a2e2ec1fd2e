// gather: y[o, j, i] = data[o, indices[j], i].
#include "schema/ops/gather.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

Error run(RunContext& c) {
  const TensorView &x = c.input(0), &indices = c.input(1);
  TensorView& y = c.output(0);
  const int axis = wrap_axis(c.attributes<op::Gather::Attrs>().axis, x.shape.rank);
  const AxisView view = axis_view(x.shape, axis);
  GF_TRY(check_indices(c, indices, axis, view.length));
  const int64_t picked = indices.count();
  if (picked == 0 || view.outer == 0 || view.inner == 0) return Error::Ok;
  const int64_t runs = view.outer * picked;
  dispatch_element(x.dtype, [&](auto element) {
    c.parallel.chunks(runs, copy_grain(x.dtype, runs, view.inner), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t k = wrap_index(index_at(indices, r % picked), view.length);
        element.copy(x, (r / picked * view.length + k) * view.inner, y, r * view.inner, view.inner);
      }
    });
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel gather_kernel;
const Kernel gather_kernel{
    .op = op::Gather::info.id, .name = "gather_portable", .rank = 10, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
