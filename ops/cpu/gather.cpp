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
  if (dtype_is_sub_byte(x.dtype)) {
    for (int64_t r = 0; r < view.outer * picked; ++r) {
      CopyBox box;
      box.push(view.inner, 1, 1);
      box.source_offset =
          (r / picked * view.length + wrap_index(index_at(indices, r % picked), view.length)) * view.inner;
      box.target_offset = r * view.inner;
      copy_box({}, x.dtype, x.data, y.data, box);
    }
    return Error::Ok;
  }
  return dispatch_size(x.dtype, [&]<class T>() {
    const T* source = static_cast<const T*>(x.data);
    T* target = static_cast<T*>(y.data);
    c.parallel.chunks(view.outer * picked, row_grain(view.inner), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t k = wrap_index(index_at(indices, r % picked), view.length);
        const T* from = source + (r / picked * view.length + k) * view.inner;
        if (view.inner == 1) target[r] = *from;
        else std::memcpy(target + r * view.inner, from, static_cast<size_t>(view.inner) * sizeof(T));
      }
    });
    return Error::Ok;
  });
}

}  // namespace

extern const Kernel gather_kernel;
const Kernel gather_kernel{
    .op = op::Gather::info.id, .name = "gather_portable", .rank = 10, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
