// Index of the largest or smallest element along an axis. A NaN wins (as in NumPy and PyTorch).
#include "ops/cpu/order.h"
#include "schema/ops/arg_max.h"
#include "schema/ops/arg_min.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 128;

Error arg_reduce(RunContext& context, bool smallest) {
  const auto& a = context.attributes<ArgReduceAttrs>();
  const TensorView& x = context.input(0);
  const AxisView v = x.shape.rank == 0 ? AxisView{} : axis_view(x.shape, wrap_axis(a.axis, x.shape.rank));
  const bool is_float = dtype_is_float(x.dtype);
  int64_t* y = context.output(0).as<int64_t>();
  context.parallel.chunks(v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    uint64_t keys[kPiece];
    for (int64_t o = begin; o < end; ++o) {
      const int64_t base = o / v.inner * v.length * v.inner + o % v.inner;
      uint64_t best = 0;
      int64_t index = 0;
      for (int64_t first = 0; first < v.length; first += kPiece) {
        const int64_t count = v.length - first < kPiece ? v.length - first : kPiece;
        load_keys(x, base + first * v.inner, v.inner, count, keys);
        for (int64_t k = 0; k < count; ++k) {
          // the smallest has the largest complement; NaN stays what it is
          const uint64_t key = !smallest || (is_float && keys[k] == kNanKey) ? keys[k] : ~keys[k];
          if (first + k != 0 && (a.select_last_index ? key < best : key <= best)) continue;
          best = key;
          index = first + k;
        }
      }
      y[o] = index;
    }
  });
  return Error::Ok;
}

Error run_max(RunContext& context) { return arg_reduce(context, false); }
Error run_min(RunContext& context) { return arg_reduce(context, true); }

}  // namespace

extern const Kernel arg_max_kernel;
extern const Kernel arg_min_kernel;
const Kernel arg_max_kernel{
    .op = op::ArgMax::info.id, .name = "arg_max_portable", .rank = 1, .prepare = prepare_any, .run = run_max};
const Kernel arg_min_kernel{
    .op = op::ArgMin::info.id, .name = "arg_min_portable", .rank = 1, .prepare = prepare_any, .run = run_min};

}  // namespace gf::cpu
