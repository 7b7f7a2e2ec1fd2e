// concat and split: each part is a box of the joined tensor, seen as [outer, length of the part * inner].
#include "schema/ops/concat.h"

#include "ops/cpu/movement.h"
#include "schema/ops/split.h"

namespace gf::cpu {
namespace {

Error run_concat(RunContext& c) {
  TensorView& y = c.output(0);
  const int axis = wrap_axis(c.attributes<op::Concat::Attrs>().axis, y.shape.rank);
  const AxisView view = axis_view(y.shape, axis);
  int64_t start = 0;
  for (int i = 0; i < c.input_count; ++i) {
    const TensorView& x = c.input(i);
    const int64_t length = x.shape[axis];
    if (start + length > view.length || x.count() != view.outer * length * view.inner)
      return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "input %d does not fit the joined shape", i);
    CopyBox box;
    box.push(view.outer, length * view.inner, view.length * view.inner);
    box.push(length * view.inner, 1, 1);
    box.target_offset = start * view.inner;
    copy_box(c.parallel, x, y, box);
    start += length;
  }
  return Error::Ok;
}

Error run_split(RunContext& c) {
  const TensorView& x = c.input(0);
  const int axis = wrap_axis(c.attributes<op::Split::Attrs>().axis, x.shape.rank);
  const AxisView view = axis_view(x.shape, axis);
  const auto& a = c.attributes<op::Split::Attrs>();
  const int64_t chunk = (view.length + c.output_count - 1) / c.output_count;
  int64_t start = 0;
  for (int i = 0; i < c.output_count; ++i) {
    int64_t length = chunk;
    if (c.has_input(1)) length = index_at(c.input(1), i);
    else if (!a.sizes.empty()) length = a.sizes[static_cast<size_t>(i)];
    else if (start + length > view.length) length = view.length - start;
    if (length < 0 || length > view.length - start || (c.has_output(i) && c.output(i).shape[axis] != length))
      return GF_FAIL(c.detail, Error::BadData, c.node, "split size %d of %lld does not fit an axis of length %lld", i,
                     static_cast<long long>(length), static_cast<long long>(view.length));
    if (c.has_output(i)) {
      CopyBox box;
      box.push(view.outer, view.length * view.inner, length * view.inner);
      box.push(length * view.inner, 1, 1);
      box.source_offset = start * view.inner;
      copy_box(c.parallel, x, c.output(i), box);
    }
    start += length;
  }
  if (start != view.length)
    return GF_FAIL(c.detail, Error::BadData, c.node, "the split sizes add up to %lld, the axis has length %lld",
                   static_cast<long long>(start), static_cast<long long>(view.length));
  return Error::Ok;
}

}  // namespace

extern const Kernel concat_kernel, split_kernel;
const Kernel concat_kernel{
    .op = op::Concat::info.id, .name = "concat_portable", .rank = 10, .prepare = prepare_any, .run = run_concat};
const Kernel split_kernel{
    .op = op::Split::info.id, .name = "split_portable", .rank = 10, .prepare = prepare_any, .run = run_split};

}  // namespace gf::cpu
