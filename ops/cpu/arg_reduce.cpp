// Index of the largest or smallest element along an axis. A NaN wins (as in NumPy and PyTorch).
#include "ops/cpu/op_util.h"
#include "schema/ops/arg_max.h"
#include "schema/ops/arg_min.h"

namespace gf::cpu {
namespace {

template <bool kMax, class C>
bool better(C candidate, C best, bool last_of_equals) {
  if (best != best) return last_of_equals && candidate != candidate;
  if (candidate != candidate) return true;
  if (candidate == best) return last_of_equals;
  return kMax ? candidate > best : candidate < best;
}

template <bool kMax, class C>
Error arg_reduce(RunContext& context) {
  const auto& a = context.attributes<ArgReduceAttrs>();
  const TensorView& x = context.input(0);
  const AxisView v = x.shape.rank == 0 ? AxisView{} : axis_view(x.shape, wrap_axis(a.axis, x.shape.rank));
  int64_t* y = context.output(0).as<int64_t>();
  context.parallel.chunks(v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t o = begin; o < end; ++o) {
      const int64_t base = o / v.inner * v.length * v.inner + o % v.inner;
      C best{};
      int64_t index = 0;
      for (int64_t k = 0; k < v.length; ++k) {
        C candidate{};
        load(x.dtype, x.data, base + k * v.inner, 0, 1, &candidate);
        if (k == 0 || better<kMax>(candidate, best, a.select_last_index)) {
          best = candidate;
          index = k;
        }
      }
      y[o] = index;
    }
  });
  return Error::Ok;
}

template <bool kMax>
Error run(RunContext& context) {
  return dispatch_compute(context.input(0).dtype, [&]<class C>() { return arg_reduce<kMax, C>(context); });
}

}  // namespace

extern const Kernel arg_max_kernel;
extern const Kernel arg_min_kernel;
const Kernel arg_max_kernel{
    .op = op::ArgMax::info.id, .name = "arg_max_portable", .rank = 1, .prepare = prepare_any, .run = run<true>};
const Kernel arg_min_kernel{
    .op = op::ArgMin::info.id, .name = "arg_min_portable", .rank = 1, .prepare = prepare_any, .run = run<false>};

}  // namespace gf::cpu
