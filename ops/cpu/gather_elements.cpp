// gather_elements: y[.., i, ..] = data[.., indices[.., i, ..], ..]; scatter_elements writes the other way round.
#include "schema/ops/gather_elements.h"

#include "ops/cpu/scatter.h"
#include "schema/ops/scatter_elements.h"

namespace gf::cpu {
namespace {

// Walks rows (last axis) of `indices` and tells, for each element, its place in `data`.
struct ElementsWalk {
  int rank = 0, axis = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};  // of data
  int64_t length = 0;              // of data along the axis

  ElementsWalk(const Shape& data, const Shape& indices, int64_t raw_axis) : rank(data.rank) {
    axis = wrap_axis(raw_axis, rank);
    length = data[axis];
    dense_strides(data, strides);
    for (int d = 0; d < rank; ++d) dims[d] = indices[d];
  }
  bool fits(const Shape& data) const {
    for (int d = 0; d < rank; ++d)
      if (d != axis && dims[d] > data[d]) return false;
    return true;
  }
  int64_t row() const { return dims[rank - 1]; }
  // offset of row r, the axis left out
  int64_t base(int64_t r) const {
    int64_t offset = 0;
    for (int d = rank - 2; d >= 0; --d) {
      if (d != axis) offset += r % dims[d] * strides[d];
      r /= dims[d];
    }
    return offset;
  }
  int64_t place(int64_t base, int64_t column, int64_t index) const {
    return base + index * strides[axis] + (axis == rank - 1 ? 0 : column);
  }
};

Error run_gather(RunContext& c) {
  const TensorView &x = c.input(0), &indices = c.input(1);
  TensorView& y = c.output(0);
  const ElementsWalk walk(x.shape, indices.shape, c.attributes<op::GatherElements::Attrs>().axis);
  if (!walk.fits(x.shape)) return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "indices reach beyond the data");
  GF_TRY(check_indices(c, indices, walk.axis, walk.length));
  const int64_t count = indices.count(), row = walk.row();
  if (count == 0) return Error::Ok;
  dispatch_element(x.dtype, [&](auto element) {
    c.parallel.chunks(count / row, copy_grain(x.dtype, count / row, row), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t base = walk.base(r);
        for (int64_t k = 0; k < row; ++k)
          element.copy(x, walk.place(base, k, wrap_index(index_at(indices, r * row + k), walk.length)), y, r * row + k);
      }
    });
  });
  return Error::Ok;
}

Error run_scatter(RunContext& c) {
  const TensorView &x = c.input(0), &indices = c.input(1), &updates = c.input(2);
  const auto& a = c.attributes<op::ScatterElements::Attrs>();
  const ElementsWalk walk(x.shape, indices.shape, a.axis);
  if (!walk.fits(x.shape) || !(indices.shape == updates.shape))
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "indices and updates do not fit the data");
  GF_TRY(check_indices(c, indices, walk.axis, walk.length));
  copy_dense(c.parallel, x, c.output(0));
  const int64_t count = indices.count(), row = walk.row();
  // entries may name one place several times: in order, on one thread
  for (int64_t k = 0; k < count; ++k)
    scatter_run(a.reduction, c.output(0), walk.place(walk.base(k / row), k % row, wrap_index(index_at(indices, k), walk.length)),
                updates, k, 1);
  return Error::Ok;
}

}  // namespace

extern const Kernel gather_elements_kernel, scatter_elements_kernel;
const Kernel gather_elements_kernel{.op = op::GatherElements::info.id,
                                    .name = "gather_elements_portable",
                                    .rank = 1,
                                    .prepare = prepare_any,
                                    .run = run_gather};
const Kernel scatter_elements_kernel{.op = op::ScatterElements::info.id,
                                     .name = "scatter_elements_portable",
                                     .rank = 1,
                                     .prepare = prepare_inplace_first,
                                     .run = run_scatter};

}  // namespace gf::cpu
