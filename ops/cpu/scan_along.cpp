// Running sum and product along an axis. Floats run in f64 and are rounded at each store; integers wrap.
#include "ops/cpu/op_util.h"
#include "schema/elementwise.h"
#include "schema/ops/cum_prod.h"
#include "schema/ops/cum_sum.h"

namespace gf::cpu {
namespace {

template <bool kProduct, class C>
Error scan(RunContext& context) {
  const auto& a = context.attributes<ScanAlongAttrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const int64_t axis = context.has_input(1) ? load_one<int64_t>(context.input(1), 0) : a.axis;
  const int rank = x.shape.rank == 0 ? 1 : x.shape.rank;
  if (axis < -rank || axis >= rank)
    return GF_FAIL(context.detail, Error::IndexOutOfRange, context.node, "axis is %lld, the rank is %d",
                   static_cast<long long>(axis), rank);
  const AxisView v = x.shape.rank == 0 ? AxisView{} : axis_view(x.shape, wrap_axis(axis, rank));
  context.parallel.chunks(v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t base = line / v.inner * v.length * v.inner + line % v.inner;
      C sum = kProduct ? C(1) : C(0);
      for (int64_t k = 0; k < v.length; ++k) {
        const int64_t at = base + (a.reverse ? v.length - 1 - k : k) * v.inner;
        C value{};
        load(x.dtype, x.data, at, 0, 1, &value);
        const C next = kProduct ? wrapping::mul(sum, value) : wrapping::add(sum, value);
        store_one(y, at, a.exclusive ? sum : next);
        sum = next;
      }
    }
  });
  return Error::Ok;
}

template <bool kProduct>
Error run(RunContext& context) {
  switch (compute_type(context.input(0).dtype)) {
    case ComputeType::F32:
    case ComputeType::F64: return scan<kProduct, double>(context);
    case ComputeType::I64: return scan<kProduct, int64_t>(context);
    default: return scan<kProduct, uint64_t>(context);
  }
}

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;  // each element is read before its place is written
  return Error::Ok;
}

}  // namespace

extern const Kernel cum_sum_kernel;
extern const Kernel cum_prod_kernel;
const Kernel cum_sum_kernel{
    .op = op::CumSum::info.id, .name = "cum_sum_portable", .rank = 1, .prepare = prepare, .run = run<false>};
const Kernel cum_prod_kernel{
    .op = op::CumProd::info.id, .name = "cum_prod_portable", .rank = 1, .prepare = prepare, .run = run<true>};

}  // namespace gf::cpu
