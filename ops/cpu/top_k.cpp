// The k first elements of a line in order: a heap of k candidates per line (worst on top), sorted at the end. Ties go to
// the lower index, so the order is total and the result unique.
#include <algorithm>

#include "ops/cpu/op_util.h"
#include "schema/ops/top_k.h"

namespace gf::cpu {
namespace {

template <class C>
struct Entry {
  C value;
  int64_t index;
};

// `a` comes before `b`. NaN is larger than everything.
template <class C, bool kLargest>
bool before(const Entry<C>& a, const Entry<C>& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan == kLargest;
  if (!a_nan && a.value != b.value) return kLargest ? a.value > b.value : a.value < b.value;
  return a.index < b.index;
}

template <class C, bool kLargest>
Error top_k(RunContext& context) {
  const auto& a = context.attributes<op::TopK::Attrs>();
  const TensorView& x = context.input(0);
  const int axis = wrap_axis(a.axis, x.shape.rank);
  const AxisView v = axis_view(x.shape, axis);
  const int64_t k = context.output(0).shape[axis];
  int64_t* indices = context.output(1).as<int64_t>();
  context.parallel.chunks(k == 0 ? 0 : v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int worker) {
    auto* heap = context.scratch_of<Entry<C>>(worker);
    for (int64_t line = begin; line < end; ++line) {
      const int64_t base = line / v.inner * v.length * v.inner + line % v.inner;
      for (int64_t i = 0; i < v.length; ++i) {
        Entry<C> entry{C{}, i};
        load(x.dtype, x.data, base + i * v.inner, 0, 1, &entry.value);
        if (i < k) {
          heap[i] = entry;
          std::push_heap(heap, heap + i + 1, before<C, kLargest>);
        } else if (before<C, kLargest>(entry, heap[0])) {
          std::pop_heap(heap, heap + k, before<C, kLargest>);
          heap[k - 1] = entry;
          std::push_heap(heap, heap + k, before<C, kLargest>);
        }
      }
      std::sort_heap(heap, heap + k, before<C, kLargest>);
      const int64_t out = line / v.inner * k * v.inner + line % v.inner;
      for (int64_t i = 0; i < k; ++i) {
        store_one(context.output(0), out + i * v.inner, heap[i].value);
        indices[out + i * v.inner] = heap[i].index;
      }
    }
  });
  return Error::Ok;
}

Error run(RunContext& context) {
  const auto& a = context.attributes<op::TopK::Attrs>();
  const TensorView& x = context.input(0);
  const int axis = wrap_axis(a.axis, x.shape.rank);
  if (context.input(1).count() != 1 || load_one<int64_t>(context.input(1), 0) != context.output(0).shape[axis] ||
      context.output(0).shape[axis] > x.shape[axis])
    return GF_FAIL(context.detail, Error::BadData, context.node, "k is not between 0 and the %lld elements of axis %d",
                   static_cast<long long>(x.shape[axis]), axis);
  return dispatch_compute(x.dtype, [&]<class C>() {
    return a.largest ? top_k<C, true>(context) : top_k<C, false>(context);
  });
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<op::TopK::Attrs>();
  const Shape& out = node.output(0).shape;
  uint64_t bytes = 0;
  if (!mul_checked<uint64_t>(static_cast<uint64_t>(out[wrap_axis(a.axis, out.rank)]), 16, bytes))
    return Error::LimitExceeded;
  plan.scratch_bytes_per_worker = bytes;
  return Error::Ok;
}

}  // namespace

extern const Kernel top_k_kernel;
const Kernel top_k_kernel{
    .op = op::TopK::info.id, .name = "top_k_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
