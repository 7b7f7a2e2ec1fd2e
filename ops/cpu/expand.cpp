// expand and tile: strided copies that read elements again, with stride 0.
#include "schema/ops/expand.h"

#include "ops/cpu/movement.h"
#include "schema/ops/tile.h"

namespace gf::cpu {
namespace {

Error run_expand(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t source[kMaxRank], target[kMaxRank];
  dense_strides(x.shape, source);
  dense_strides(y.shape, target);
  const int skip = y.shape.rank - x.shape.rank;
  CopyBox box;
  for (int d = 0; d < y.shape.rank; ++d) {
    const int64_t have = d < skip ? 1 : x.shape[d - skip];
    if (have != 1 && have != y.shape[d])
      return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "axis %d of length %lld does not expand to %lld", d,
                     static_cast<long long>(have), static_cast<long long>(y.shape[d]));
    box.push(y.shape[d], have == 1 ? 0 : source[d - skip], target[d]);
  }
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

Error run_tile(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t source[kMaxRank], target[kMaxRank];
  dense_strides(x.shape, source);
  dense_strides(y.shape, target);
  CopyBox box;
  for (int d = 0; d < x.shape.rank; ++d) {
    const int64_t times = index_at(c.input(1), d);
    if (times < 0 || times * x.shape[d] != y.shape[d])
      return GF_FAIL(c.detail, Error::BadData, c.node, "repeats[%d] of %lld does not fit the planned shape", d,
                     static_cast<long long>(times));
    box.push(times, 0, target[d] * x.shape[d]);
    box.push(x.shape[d], source[d], target[d]);
  }
  copy_box(c.parallel, x, y, box);
  return Error::Ok;
}

}  // namespace

extern const Kernel expand_kernel, tile_kernel;
const Kernel expand_kernel{
    .op = op::Expand::info.id, .name = "expand_portable", .rank = 10, .prepare = prepare_any, .run = run_expand};
const Kernel tile_kernel{
    .op = op::Tile::info.id, .name = "tile_portable", .rank = 10, .prepare = prepare_any, .run = run_tile};

}  // namespace gf::cpu
