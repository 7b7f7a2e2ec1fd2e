// Reductions over axes. Floats are loaded as f64 and accumulated there (f32 results are the correctly rounded sum but for
// the last bit of f64), integers in 64 bits with two's complement wrap. Work is split by output element, the order of each
// fold is fixed, so results do not depend on threads.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "runtime/core/bit_cast.h"
#include "schema/elementwise.h"
#include "schema/ops/reduce_l1.h"
#include "schema/ops/reduce_l2.h"
#include "schema/ops/reduce_log_sum.h"
#include "schema/ops/reduce_log_sum_exp.h"
#include "schema/ops/reduce_max.h"
#include "schema/ops/reduce_mean.h"
#include "schema/ops/reduce_min.h"
#include "schema/ops/reduce_prod.h"
#include "schema/ops/reduce_sum.h"
#include "schema/ops/reduce_sum_square.h"

namespace gf::cpu {
namespace {

constexpr int64_t kTile = 128;

// One group's state; `extra` is the running sum of exponentials for log_sum_exp.
template <class C>
struct Fold {
  C value;
  C extra;
};

// A reduction: start value, step per element, result from state and group size.
template <class C>
struct Sum {
  static constexpr Fold<C> kStart{C(0), C(0)};
  static void step(Fold<C>& f, C x) { f.value = wrapping::add(f.value, x); }
  static C finish(const Fold<C>& f, int64_t) { return f.value; }
};
template <class C>
struct Mean : Sum<C> {
  static C finish(const Fold<C>& f, int64_t n) {
    if constexpr (std::is_integral_v<C>) return n == 0 ? C(0) : f.value / static_cast<C>(n);
    else return f.value / static_cast<C>(n);
  }
};
template <class C>
struct Max {
  static constexpr Fold<C> kStart{
      std::is_integral_v<C> ? std::numeric_limits<C>::lowest() : -std::numeric_limits<C>::infinity(), C(0)};
  static void step(Fold<C>& f, C x) {
    if (x > f.value || x != x) f.value = x;
  }
  static C finish(const Fold<C>& f, int64_t) { return f.value; }
};
template <class C>
struct Min {
  static constexpr Fold<C> kStart{
      std::is_integral_v<C> ? std::numeric_limits<C>::max() : std::numeric_limits<C>::infinity(), C(0)};
  static void step(Fold<C>& f, C x) {
    if (x < f.value || x != x) f.value = x;
  }
  static C finish(const Fold<C>& f, int64_t) { return f.value; }
};
template <class C>
struct Prod {
  static constexpr Fold<C> kStart{C(1), C(0)};
  static void step(Fold<C>& f, C x) { f.value = wrapping::mul(f.value, x); }
  static C finish(const Fold<C>& f, int64_t) { return f.value; }
};
template <class C>
struct L1 : Sum<C> {
  static void step(Fold<C>& f, C x) { Sum<C>::step(f, x < C(0) ? wrapping::sub(C(0), x) : x); }
};
template <class C>
struct SumSquare : Sum<C> {
  static void step(Fold<C>& f, C x) { Sum<C>::step(f, wrapping::mul(x, x)); }
};
template <class C>
struct L2 : SumSquare<C> {
  static C finish(const Fold<C>& f, int64_t) { return static_cast<C>(std::sqrt(static_cast<double>(f.value))); }
};
template <class C>
struct LogSum : Sum<C> {
  static C finish(const Fold<C>& f, int64_t) {
    const double y = std::log(static_cast<double>(f.value));
    if constexpr (std::is_integral_v<C>) return saturating_to_int<C>(y);
    else return y;
  }
};
// Running maximum m and sum of e^(x - m), rescaled whenever the maximum grows.
struct LogSumExp {
  static constexpr Fold<double> kStart{-std::numeric_limits<double>::infinity(), 0.0};
  static void step(Fold<double>& f, double x) {
    if (x > f.value) {
      f.extra = f.extra * std::exp(f.value - x) + 1.0;
      f.value = x;
    } else if (x == f.value) {
      f.extra += 1.0;  // covers infinities, whose difference is NaN
    } else {
      f.extra += std::exp(x - f.value);
    }
  }
  static double finish(const Fold<double>& f, int64_t) { return f.value + std::log(f.extra); }
};

// The input seen as kept and reduced dims, neighbours of one kind merged. The innermost dim is a run of kept elements
// (inner > 1: lanes) or of reduced ones.
struct Layout {
  int kept_rank = 0, reduced_rank = 0;
  int64_t kept[kMaxRank] = {}, kept_strides[kMaxRank] = {};
  int64_t reduced[kMaxRank] = {}, reduced_strides[kMaxRank] = {};
  int64_t outputs = 1;       // product of kept
  int64_t group = 1;         // product of reduced
  bool lanes = false;        // innermost merged dim is kept

  Layout(const Shape& x, uint32_t axes) {
    int64_t strides[kMaxRank];
    dense_strides(x, strides);
    int last = -1;  // kind of the dim added before: 0 kept, 1 reduced
    for (int d = 0; d < x.rank; ++d) {
      if (x[d] == 1) continue;
      const int kind = (axes >> d) & 1U ? 1 : 0;
      int& rank = kind == 1 ? reduced_rank : kept_rank;
      int64_t* dims = kind == 1 ? reduced : kept;
      int64_t* steps = kind == 1 ? reduced_strides : kept_strides;
      if (last == kind) dims[rank - 1] *= x[d];
      else dims[rank++] = x[d];
      steps[rank - 1] = strides[d];
      last = kind;
      (kind == 1 ? group : outputs) *= x[d];
    }
    lanes = last == 0;
  }
};

int64_t offset_of(int64_t index, int rank, const int64_t* dims, const int64_t* strides) {
  int64_t offset = 0;
  for (int d = rank - 1; d >= 0; --d) {
    offset += index % dims[d] * strides[d];
    index /= dims[d];
  }
  return offset;
}

// A reduction with its type erased: every compute type here has 8 bytes, so the loops around it exist once. Folds and tiles are
// arrays of Fold<C> and C behind pointers to bytes.
constexpr int64_t kFoldBytes = sizeof(Fold<double>), kValueBytes = sizeof(double);

struct Rules {
  ComputeType type;
  uint64_t start[2];                                                              // bits of a Fold
  void (*steps)(void* folds, int64_t stride, const void* tile, int64_t count);    // element k into fold k * stride
  void (*finish)(const void* fold, int64_t group, void* result);
};
template <class R, class C>
void fold_steps(void* folds, int64_t stride, const void* tile, int64_t count) {
  auto* __restrict f = static_cast<Fold<C>*>(folds);
  const C* __restrict x = static_cast<const C*>(tile);
  if (!kSmallCode && stride == 0) {
    Fold<C> one = *f;
    for (int64_t k = 0; k < count; ++k) R::step(one, x[k]);
    *f = one;
  } else {
    for (int64_t k = 0; k < count; ++k) R::step(f[kSmallCode ? k * stride : k], x[k]);
  }
}
template <class R, class C>
constexpr Rules kRules{compute_type_of<C>(), {bit_cast<uint64_t>(R::kStart.value), bit_cast<uint64_t>(R::kStart.extra)},
                       fold_steps<R, C>, [](const void* fold, int64_t group, void* result) {
                         *static_cast<C*>(result) = R::finish(*static_cast<const Fold<C>*>(fold), group);
                       }};

void start_folds(const Rules& rules, unsigned char* folds, int64_t count) {
  for (int64_t k = 0; k < count; ++k) std::memcpy(folds + k * kFoldBytes, rules.start, sizeof rules.start);
}
void finish_folds(const Rules& rules, const unsigned char* folds, int64_t count, int64_t group, unsigned char* results) {
  for (int64_t k = 0; k < count; ++k) rules.finish(folds + k * kFoldBytes, group, results + k * kValueBytes);
}

// Outputs [begin, end) of a task: consecutive kept elements share the innermost dim, so a tile of them is folded lane
// by lane over the group.
void fold_lanes(const Rules& rules, const Layout& l, const TensorView& x, const TensorView& y, int64_t begin, int64_t end) {
  const int64_t inner = l.kept[l.kept_rank - 1];
  alignas(8) unsigned char folds[kTile * kFoldBytes], tile[kTile * kValueBytes];
  for (int64_t o = begin; o < end;) {
    int64_t lanes = inner - o % inner;
    lanes = lanes < end - o ? lanes : end - o;
    lanes = lanes < kTile ? lanes : kTile;
    const int64_t base = offset_of(o, l.kept_rank, l.kept, l.kept_strides);
    start_folds(rules, folds, lanes);
    for (int64_t g = 0; g < l.group; ++g) {
      load_as(rules.type, x, base + offset_of(g, l.reduced_rank, l.reduced, l.reduced_strides), 1, lanes, tile);
      rules.steps(folds, 1, tile, lanes);
    }
    finish_folds(rules, folds, lanes, l.group, tile);
    store_as(rules.type, y, o, lanes, tile);
    o += lanes;
  }
}

// The innermost dim is reduced: each output folds runs of consecutive elements.
void fold_runs(const Rules& rules, const Layout& l, const TensorView& x, const TensorView& y, int64_t begin, int64_t end) {
  const int64_t run = l.reduced_rank == 0 ? 1 : l.reduced[l.reduced_rank - 1];
  alignas(8) unsigned char fold[kFoldBytes], tile[kTile * kValueBytes];
  for (int64_t o = begin; o < end; ++o) {
    const int64_t base = offset_of(o, l.kept_rank, l.kept, l.kept_strides);
    start_folds(rules, fold, 1);
    for (int64_t g = 0; g < l.group; g += run) {
      const int64_t first = base + offset_of(g, l.reduced_rank, l.reduced, l.reduced_strides);
      for (int64_t at = 0; at < run; at += kTile) {
        const int64_t count = run - at < kTile ? run - at : kTile;
        load_as(rules.type, x, first + at, 1, count, tile);
        rules.steps(fold, 0, tile, count);
      }
    }
    finish_folds(rules, fold, 1, l.group, tile);
    store_as(rules.type, y, o, 1, tile);
  }
}

// Axes from input 1 were checked by inference when it knew them; data that changed since is checked here.
Error axes_of(const RunContext& context, const ReduceAttrs& a, uint32_t& axes) {
  const int rank = context.input(0).shape.rank;
  const bool from_input = context.has_input(1);
  const int64_t count = from_input ? context.input(1).count() : static_cast<int64_t>(a.axes.size());
  axes = count == 0 && !a.none ? (1U << rank) - 1U : 0U;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t axis = from_input ? load_one<int64_t>(context.input(1), k) : a.axes[static_cast<size_t>(k)];
    if (axis < -rank || axis >= rank)
      return GF_FAIL(context.detail, Error::IndexOutOfRange, context.node, "axes[%lld] is %lld, the rank is %d",
                     static_cast<long long>(k), static_cast<long long>(axis), rank);
    axes |= 1U << wrap_axis(axis, rank);
  }
  return Error::Ok;
}

Error reduce(RunContext& context, const Rules& rules) {
  const auto& a = context.attributes<ReduceAttrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  uint32_t axes = 0;
  GF_TRY(axes_of(context, a, axes));
  const Layout layout(x.shape, axes);
  if (layout.outputs != y.count())
    return GF_FAIL(context.detail, Error::Internal, context.node, "the output's shape does not belong to these axes");
  context.parallel.chunks(layout.outputs, row_grain(layout.group), [&](int64_t begin, int64_t end, int) {
    if (layout.lanes) fold_lanes(rules, layout, x, y, begin, end);
    else fold_runs(rules, layout, x, y, begin, end);
  });
  return Error::Ok;
}

// f16, bf16, f32 and f64 all fold in f64.
template <template <class> class R>
constexpr const Rules* kFamily[3] = {&kRules<R<double>, double>, &kRules<R<int64_t>, int64_t>, &kRules<R<uint64_t>, uint64_t>};

template <template <class> class R>
Error run(RunContext& context) {
  const ComputeType type = compute_type(context.input(0).dtype);
  return reduce(context, *kFamily<R>[type <= ComputeType::F64 ? 0 : type == ComputeType::I64 ? 1 : 2]);
}

Error run_log_sum_exp(RunContext& context) { return reduce(context, kRules<LogSumExp, double>); }

// The start value of an empty integer group must be the type's own lowest or highest, not that of 64 bits.
bool fill_empty_group(const RunContext& context, bool max) {
  const TensorView& x = context.input(0);
  if (x.count() > 0 || context.output(0).count() == 0 || dtype_is_float(x.dtype)) return false;
  const unsigned bits = dtype_bits(x.dtype);
  uint64_t value = 0;  // lowest of unsigned types and bool
  if (x.dtype == DType::Bool) value = max ? 0 : 1;
  else if (dtype_is_signed_int(x.dtype)) value = max ? uint64_t{1} << (bits - 1) : (uint64_t{1} << (bits - 1)) - 1;
  else if (!max) value = ~uint64_t{0};
  for (int64_t k = 0; k < context.output(0).count(); ++k) store_one(context.output(0), k, value);
  return true;
}
Error run_max(RunContext& context) { return fill_empty_group(context, true) ? Error::Ok : run<Max>(context); }
Error run_min(RunContext& context) { return fill_empty_group(context, false) ? Error::Ok : run<Min>(context); }

}  // namespace

#define GF_REDUCE_KERNEL(word, Op, run_function) \
  extern const Kernel word##_kernel;             \
  const Kernel word##_kernel{                    \
      .op = op::Op::info.id, .name = #word "_portable", .rank = 1, .prepare = prepare_any, .run = run_function};
GF_REDUCE_KERNEL(reduce_sum, ReduceSum, run<Sum>)
GF_REDUCE_KERNEL(reduce_mean, ReduceMean, run<Mean>)
GF_REDUCE_KERNEL(reduce_max, ReduceMax, run_max)
GF_REDUCE_KERNEL(reduce_min, ReduceMin, run_min)
GF_REDUCE_KERNEL(reduce_prod, ReduceProd, run<Prod>)
GF_REDUCE_KERNEL(reduce_l1, ReduceL1, run<L1>)
GF_REDUCE_KERNEL(reduce_l2, ReduceL2, run<L2>)
GF_REDUCE_KERNEL(reduce_log_sum, ReduceLogSum, run<LogSum>)
GF_REDUCE_KERNEL(reduce_log_sum_exp, ReduceLogSumExp, run_log_sum_exp)
GF_REDUCE_KERNEL(reduce_sum_square, ReduceSumSquare, run<SumSquare>)
#undef GF_REDUCE_KERNEL

}  // namespace gf::cpu
