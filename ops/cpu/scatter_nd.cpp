// gather_nd and scatter_nd: slices of data at index tuples; tensor_scatter: rows of a cache.
#include "schema/ops/scatter_nd.h"

#include "ops/cpu/elementwise.h"
#include "ops/cpu/scatter.h"
#include "schema/ops/add.h"
#include "schema/ops/gather_nd.h"
#include "schema/ops/max.h"
#include "schema/ops/min.h"
#include "schema/ops/mul.h"
#include "schema/ops/tensor_scatter.h"

namespace gf::cpu {
namespace {

// The elementwise ops that the reductions are. With the update as the first operand the tie of 0 and -0 goes to what was there.
const ElementwiseRow& row_of(ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::Add: return elementwise_kernel<op::Add>.row;
    case ScatterReduction::Mul: return elementwise_kernel<op::Mul>.row;
    case ScatterReduction::Max: return elementwise_kernel<op::Max>.row;
    default: return elementwise_kernel<op::Min>.row;
  }
}

// Offset of tuple t (of `depth` indices from `indices[t * depth]`) in data axes [first, first + depth), or an error.
Error tuple_offset(const RunContext& c, const TensorView& indices, int64_t t, int64_t depth, const Shape& data, int first,
                   int64_t slice, int64_t& offset) {
  offset = 0;
  for (int64_t k = 0; k < depth; ++k) {
    const int axis = first + static_cast<int>(k);
    const int64_t raw = index_at(indices, t * depth + k), index = wrap_index(raw, data[axis]);
    if (index < 0) return index_error(c, raw, t * depth + k, axis, data[axis]);
    offset = offset * data[axis] + index;
  }
  offset *= slice;
  return Error::Ok;
}

Error run_gather_nd(RunContext& c) {
  const TensorView &x = c.input(0), &indices = c.input(1);
  TensorView& y = c.output(0);
  const int batch_dims = static_cast<int>(c.attributes<op::GatherNd::Attrs>().batch_dims);
  const int64_t depth = indices.shape[indices.shape.rank - 1];
  const int from = batch_dims + static_cast<int>(depth);
  const int64_t slice = x.shape.count(from, x.shape.rank);
  const int64_t batches = x.shape.count(0, batch_dims);
  const int64_t per_batch = indices.shape.count(batch_dims, indices.shape.rank - 1);
  const int64_t batch_size = x.shape.count(batch_dims, x.shape.rank);
  for (int64_t t = 0; t < batches * per_batch; ++t) {
    int64_t offset = 0;
    GF_TRY(tuple_offset(c, indices, t, depth, x.shape, batch_dims, slice, offset));
    copy_elements(x, t / per_batch * batch_size + offset, y, t * slice, slice);
  }
  return Error::Ok;
}

Error run_scatter_nd(RunContext& c) {
  const TensorView &x = c.input(0), &indices = c.input(1), &updates = c.input(2);
  const auto reduction = c.attributes<op::ScatterNd::Attrs>().reduction;
  const int64_t depth = indices.shape[indices.shape.rank - 1];
  if (depth > x.shape.rank) return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "index tuples are longer than the rank");
  const int64_t slice = x.shape.count(static_cast<int>(depth), x.shape.rank);
  const int64_t tuples = indices.shape.count(0, indices.shape.rank - 1);
  if (updates.count() != tuples * slice)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "updates hold %lld elements, indices ask for %lld",
                   static_cast<long long>(updates.count()), static_cast<long long>(tuples * slice));
  copy_dense(c.parallel, x, c.output(0));
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t offset = 0;
    GF_TRY(tuple_offset(c, indices, t, depth, x.shape, 0, slice, offset));
    scatter_run(reduction, c.output(0), offset, updates, t * slice, slice);
  }
  return Error::Ok;
}

Error run_tensor_scatter(RunContext& c) {
  const TensorView &cache = c.input(0), &update = c.input(1);
  TensorView& y = c.output(0);
  const auto& a = c.attributes<op::TensorScatter::Attrs>();
  const int axis = wrap_axis(a.axis, cache.shape.rank);
  const AxisView to = axis_view(cache.shape, axis), from = axis_view(update.shape, axis);
  if (to.outer != from.outer || to.inner != from.inner)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "cache and update differ beside the axis");
  const int64_t batch = cache.shape[0];
  for (int64_t n = 0; n < batch; ++n) {
    const int64_t start = c.has_input(2) ? index_at(c.input(2), n) : 0;
    if (start < 0 || start > (int64_t{1} << 40) || (!a.circular && start > to.length - from.length) ||
        (a.circular && from.length > to.length))
      return GF_FAIL(c.detail, Error::IndexOutOfRange, c.node, "write index %lld of sample %lld: %lld rows do not fit in %lld",
                     static_cast<long long>(start), static_cast<long long>(n), static_cast<long long>(from.length),
                     static_cast<long long>(to.length));
  }
  copy_dense(c.parallel, cache, y);
  const int64_t per_sample = batch == 0 ? 0 : to.outer / batch;
  for (int64_t o = 0; o < to.outer; ++o) {
    const int64_t start = c.has_input(2) ? index_at(c.input(2), o / per_sample) : 0;
    for (int64_t s = 0; s < from.length; ++s)
      copy_elements(update, (o * from.length + s) * from.inner, y, (o * to.length + (start + s) % to.length) * to.inner, from.inner);
  }
  return Error::Ok;
}

}  // namespace

void scatter_run(ScatterReduction reduction, const TensorView& target, int64_t at, const TensorView& updates, int64_t from,
                 int64_t count) {
  if (reduction == ScatterReduction::None) return copy_elements(updates, from, target, at, count);
  const DType type = target.dtype;
  const ComputeType compute = compute_type(type);
  const ElementwiseRow& combine = row_of(reduction);
  if (compute == ComputeType::None || !combine.formulas.takes(compute)) return;
  const int64_t bytes = compute_bytes(compute);
  const op::Add::Attrs none;
  uint64_t was[kTile], update[kTile];
  for (int64_t k = 0; k < count; k += kTile) {
    const int64_t n = count - k < kTile ? count - k : kTile;
    if (is_compute_storage(type)) {
      void* const place = target.as<unsigned char>() + (at + k) * bytes;
      const void* const operands[] = {updates.as<unsigned char>() + (from + k) * bytes, place};
      static_cast<void>(combine.compute(compute, operands, place, n, &none));
      continue;
    }
    load_as(compute, updates, from + k, 1, n, update);
    load_as(compute, target, at + k, 1, n, was);
    const void* const operands[] = {update, was};
    static_cast<void>(combine.compute(compute, operands, was, n, &none));
    store_as(compute, target, at + k, n, was);
  }
}

extern const Kernel gather_nd_kernel, scatter_nd_kernel, tensor_scatter_kernel;
const Kernel gather_nd_kernel{
    .op = op::GatherNd::info.id, .name = "gather_nd_portable", .rank = 1, .prepare = prepare_any, .run = run_gather_nd};
const Kernel scatter_nd_kernel{.op = op::ScatterNd::info.id,
                               .name = "scatter_nd_portable",
                               .rank = 1,
                               .prepare = prepare_inplace_first,
                               .run = run_scatter_nd};
const Kernel tensor_scatter_kernel{.op = op::TensorScatter::info.id,
                                   .name = "tensor_scatter_portable",
                                   .rank = 1,
                                   .prepare = prepare_inplace_first,
                                   .run = run_tensor_scatter};

}  // namespace gf::cpu
