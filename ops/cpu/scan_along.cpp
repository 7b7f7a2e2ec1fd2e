// Running sum and product along an axis. Floats run in f64 and are rounded at each store; integers wrap.
#include "ops/cpu/op_util.h"
#include "schema/ops/cum_prod.h"
#include "schema/ops/cum_sum.h"

namespace gf::cpu {
namespace {

// Unsigned sums serve signed integers too.
Error scan(RunContext& context, bool product) {
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
      double sum = product ? 1 : 0;
      uint64_t whole = product ? 1 : 0;
      for (int64_t k = 0; k < v.length; ++k) {
        const int64_t at = base + (a.reverse ? v.length - 1 - k : k) * v.inner;
        if (dtype_is_float(x.dtype)) {
          const double value = load_one<double>(x, at), next = product ? sum * value : sum + value;
          store_one(y, at, a.exclusive ? sum : next);
          sum = next;
        } else {
          const uint64_t value = load_one<uint64_t>(x, at), next = product ? whole * value : whole + value;
          store_one(y, at, a.exclusive ? whole : next);
          whole = next;
        }
      }
    }
  });
  return Error::Ok;
}

Error run_sum(RunContext& context) { return scan(context, false); }
Error run_product(RunContext& context) { return scan(context, true); }

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;  // each element is read before its place is written
  return Error::Ok;
}

}  // namespace

extern const Kernel cum_sum_kernel;
extern const Kernel cum_prod_kernel;
const Kernel cum_sum_kernel{
    .op = op::CumSum::info.id, .name = "cum_sum_portable", .rank = 1, .prepare = prepare, .run = run_sum};
const Kernel cum_prod_kernel{
    .op = op::CumProd::info.id, .name = "cum_prod_portable", .rank = 1, .prepare = prepare, .run = run_product};

}  // namespace gf::cpu
