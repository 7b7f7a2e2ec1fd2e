// The k first elements of a line in order. Ties go to the lower index, so the order is total and the result unique.
#include "ops/cpu/movement.h"
#include "ops/cpu/order.h"
#include "schema/ops/top_k.h"

namespace gf::cpu {
namespace {

// Keys of the elements of a line. NaN is larger than everything.
bool larger(const void* keys, int64_t a, int64_t b) {
  const auto* key = static_cast<const uint64_t*>(keys);
  return key[a] != key[b] ? key[a] > key[b] : a < b;
}
bool smaller(const void* keys, int64_t a, int64_t b) {
  const auto* key = static_cast<const uint64_t*>(keys);
  return key[a] != key[b] ? key[a] < key[b] : a < b;
}

Error run(RunContext& context) {
  const auto& a = context.attributes<op::TopK::Attrs>();
  const TensorView& x = context.input(0);
  const int axis = wrap_axis(a.axis, x.shape.rank);
  if (context.input(1).count() != 1 || load_one<int64_t>(context.input(1), 0) != context.output(0).shape[axis] ||
      context.output(0).shape[axis] > x.shape[axis])
    return GF_FAIL(context.detail, Error::BadData, context.node, "k is not between 0 and the %lld elements of axis %d",
                   static_cast<long long>(x.shape[axis]), axis);
  const AxisView v = axis_view(x.shape, axis);
  const int64_t k = context.output(0).shape[axis];
  int64_t* indices = context.output(1).as<int64_t>();
  context.parallel.chunks(k == 0 ? 0 : v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int worker) {
    auto* keys = context.scratch_of<uint64_t>(worker);
    auto* places = reinterpret_cast<int64_t*>(keys + v.length);
    for (int64_t line = begin; line < end; ++line) {
      const int64_t base = line / v.inner * v.length * v.inner + line % v.inner;
      load_keys(x, base, v.inner, v.length, keys);
      for (int64_t i = 0; i < v.length; ++i) places[i] = i;
      sort_places(places, k, v.length, a.largest ? larger : smaller, keys);
      const int64_t out = line / v.inner * k * v.inner + line % v.inner;
      for (int64_t i = 0; i < k; ++i) {
        copy_elements(x, base + places[i] * v.inner, context.output(0), out + i * v.inner, 1);
        indices[out + i * v.inner] = places[i];
      }
    }
  });
  return Error::Ok;
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape& x = node.input(0).shape;
  const auto length = static_cast<uint64_t>(x.rank == 0 ? 1 : x[wrap_axis(node.attributes<op::TopK::Attrs>().axis, x.rank)]);
  if (!mul_checked<uint64_t>(length, 2 * sizeof(int64_t), plan.scratch_bytes_per_worker)) return Error::LimitExceeded;
  return Error::Ok;
}

}  // namespace

extern const Kernel top_k_kernel;
const Kernel top_k_kernel{
    .op = op::TopK::info.id, .name = "top_k_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
