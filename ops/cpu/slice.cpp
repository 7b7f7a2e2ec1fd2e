// slice: y[i] = x[start + i * step] per axis, one strided copy.
#include "schema/ops/slice.h"

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

Error run(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int rank = x.shape.rank;
  int64_t starts[kMaxRank] = {}, steps[kMaxRank];
  int64_t lengths[kMaxRank];
  for (int d = 0; d < rank; ++d) {
    steps[d] = 1;
    lengths[d] = x.shape[d];
  }
  const int64_t count = c.input(1).count();
  uint32_t seen = 0;
  for (int64_t k = 0; k < count; ++k) {
    int64_t axis = c.has_input(3) ? index_at(c.input(3), k) : k;
    axis = wrap_index(axis, rank);
    const int64_t step = c.has_input(4) ? index_at(c.input(4), k) : 1;
    if (axis < 0 || step == 0 || (seen & (1U << axis)) != 0)
      return GF_FAIL(c.detail, Error::BadData, c.node, "entry %lld has a bad or repeated axis, or step 0",
                     static_cast<long long>(k));
    seen |= 1U << axis;
    int64_t start = index_at(c.input(1), k), end = index_at(c.input(2), k);
    op::Slice::clamp(x.shape[static_cast<int>(axis)], step, start, end);
    starts[axis] = start;
    steps[axis] = step;
    lengths[axis] = op::Slice::extent(step, start, end);
  }
  int64_t source[kMaxRank], target[kMaxRank];
  dense_strides(x.shape, source);
  dense_strides(y.shape, target);
  CopyBox box;
  for (int d = 0; d < rank; ++d) {
    if (lengths[d] != y.shape[d])
      return GF_FAIL(c.detail, Error::BadData, c.node, "axis %d gives %lld elements, %lld were planned", d,
                     static_cast<long long>(lengths[d]), static_cast<long long>(y.shape[d]));
    // with one element the step does not matter, and its product with the stride could overflow
    box.push(lengths[d], lengths[d] > 1 ? source[d] * steps[d] : 0, target[d]);
    box.source_offset += lengths[d] > 0 ? starts[d] * source[d] : 0;
  }
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

}  // namespace

extern const Kernel slice_kernel;
const Kernel slice_kernel{
    .op = op::Slice::info.id, .name = "slice_portable", .rank = 10, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
