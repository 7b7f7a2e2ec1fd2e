// constant_of_shape, range, eye_like, trilu, one_hot: tensors made of few values.
#include "ops/cpu/movement.h"
#include "schema/elementwise.h"
#include "schema/ops/constant_of_shape.h"
#include "schema/ops/eye_like.h"
#include "schema/ops/one_hot.h"
#include "schema/ops/range.h"
#include "schema/ops/trilu.h"

namespace gf::cpu {
namespace {

Error run_constant_of_shape(RunContext& c) {
  TensorView& y = c.output(0);
  const int64_t bits = c.attributes<op::ConstantOfShape::Attrs>().bits;
  const unsigned width = dtype_bits(y.dtype);
  if (width < 8) {  // whole bytes of repeated elements
    unsigned byte = static_cast<unsigned>(bits) & ((1U << width) - 1U);
    for (unsigned w = width; w < 8; w *= 2) byte |= byte << w;
    std::memset(y.data, static_cast<int>(byte), static_cast<size_t>(dense_bytes(y.dtype, y.count())));
    return Error::Ok;
  }
  c.parallel.chunks(y.count(), kGrain,
                    [&](int64_t begin, int64_t end, int) { fill_elements(y, begin, end - begin, &bits); });
  return Error::Ok;
}

Error run_range(RunContext& c) {
  TensorView& y = c.output(0);
  const int64_t count = y.count();
  if (dtype_is_float(y.dtype)) {
    const double start = load_one<double>(c.input(0), 0), delta = load_one<double>(c.input(2), 0);
    for (int64_t k = 0; k < count; ++k) store_one(y, k, start + static_cast<double>(k) * delta);
    return Error::Ok;
  }
  const auto start = load_one<int64_t>(c.input(0), 0), delta = load_one<int64_t>(c.input(2), 0);
  for (int64_t k = 0; k < count; ++k) store_one(y, k, wrapping::add(start, wrapping::mul(k, delta)));
  return Error::Ok;
}

Error run_eye_like(RunContext& c) {
  TensorView& y = c.output(0);
  const int64_t k = c.attributes<op::EyeLike::Attrs>().k;
  std::memset(y.data, 0, static_cast<size_t>(dense_bytes(y.dtype, y.count())));
  const int64_t rows = y.shape[0], cols = y.shape[1];
  if (k <= -rows || k >= cols) return Error::Ok;
  for (int64_t r = k < 0 ? -k : 0; r < rows && r + k < cols; ++r) store_one(y, r * cols + r + k, int64_t{1});
  return Error::Ok;
}

Error run_trilu(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const bool upper = c.attributes<op::Trilu::Attrs>().upper;
  const int rank = x.shape.rank;
  const int64_t rows = x.shape[rank - 2], cols = x.shape[rank - 1];
  int64_t k = c.has_input(1) ? index_at(c.input(1), 0) : 0;
  if (k > cols) k = cols;
  if (k < -rows) k = -rows;
  const int64_t total = x.shape.count(0, rank - 1);
  copy_dense(c.parallel, x, y);
  constexpr uint64_t kZero[2] = {};
  c.parallel.chunks(total, row_grain(cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      // upper keeps columns from row + k on, lower those up to it
      int64_t edge = r % rows + k + (upper ? 0 : 1);
      edge = edge < 0 ? 0 : (edge > cols ? cols : edge);
      fill_elements(y, r * cols + (upper ? 0 : edge), upper ? edge : cols - edge, kZero);
    }
  });
  return Error::Ok;
}

Error prepare_trilu(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error run_one_hot(RunContext& c) {
  const TensorView &indices = c.input(0), &values = c.input(2);
  TensorView& y = c.output(0);
  const int axis = wrap_axis(c.attributes<op::OneHot::Attrs>().axis, y.shape.rank);
  const AxisView view = axis_view(y.shape, axis);
  const auto depth = load_one<int64_t>(c.input(1), 0);
  if (depth != view.length)
    return GF_FAIL(c.detail, Error::BadData, c.node, "depth is %lld, the planned length %lld", static_cast<long long>(depth),
                   static_cast<long long>(view.length));
  fill_elements(y, 0, y.count(), values.data);
  for (int64_t k = 0; k < indices.count(); ++k) {
    const int64_t index = wrap_index(load_one<int64_t>(indices, k), depth);
    if (index < 0) continue;  // outside: stays off
    const int64_t o = k / view.inner, i = k % view.inner;
    fill_elements(y, (o * depth + index) * view.inner + i, 1, values.as<const unsigned char>() + dtype_bits(values.dtype) / 8);
  }
  return Error::Ok;
}

}  // namespace

extern const Kernel constant_of_shape_kernel, range_kernel, eye_like_kernel, trilu_kernel, one_hot_kernel;
const Kernel constant_of_shape_kernel{.op = op::ConstantOfShape::info.id,
                                      .name = "constant_of_shape_portable",
                                      .rank = 1,
                                      .prepare = prepare_any,
                                      .run = run_constant_of_shape};
const Kernel range_kernel{
    .op = op::Range::info.id, .name = "range_portable", .rank = 1, .prepare = prepare_any, .run = run_range};
const Kernel eye_like_kernel{
    .op = op::EyeLike::info.id, .name = "eye_like_portable", .rank = 1, .prepare = prepare_any, .run = run_eye_like};
const Kernel trilu_kernel{
    .op = op::Trilu::info.id, .name = "trilu_portable", .rank = 1, .prepare = prepare_trilu, .run = run_trilu};
const Kernel one_hot_kernel{
    .op = op::OneHot::info.id, .name = "one_hot_portable", .rank = 1, .prepare = prepare_any, .run = run_one_hot};

}  // namespace gf::cpu
