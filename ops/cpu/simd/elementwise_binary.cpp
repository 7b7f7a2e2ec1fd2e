// Binary tile functions: f32 arithmetic, comparisons, i32/i64 arithmetic, select. The integer and byte loops are plain:
// the compiler vectorises them with each target's attributes. Small code (WebAssembly) has one loop of each formula instead,
// with steps known when it runs: see small_loops.h.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/elementwise_binary.cpp"
#include <type_traits>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/math-inl.h"
#include "ops/cpu/simd/small_loops.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#define GF_BINARY(name, ...)                                              \
  struct name {                                                           \
    template <class D, class V>                                           \
    static HWY_INLINE V call([[maybe_unused]] D d, V a, [[maybe_unused]] V b) {            \
      return __VA_ARGS__;                                                 \
    }                                                                     \
  };
// A loop as short as this spends its time between the rounds.
#define GF_CHEAP_BINARY(name, ...)                                        \
  GF_BINARY(name##Formula, __VA_ARGS__)                                   \
  struct name : name##Formula {                                           \
    [[maybe_unused]] static constexpr bool kCheap = true;                 \
  };
#define GF_BINARY_STD(name, function)                                     \
  struct name {                                                           \
    [[maybe_unused]] static constexpr bool kByLanes = true;               \
    static float scalar(float a, float b) { return function(a, b); }      \
    template <class D, class V>                                           \
    static HWY_INLINE V call(D d, V a, V b) {                             \
      return map_lanes(d, a, b, scalar);                                  \
    }                                                                     \
  };

GF_CHEAP_BINARY(Add, hn::Add(a, b))
GF_CHEAP_BINARY(Sub, hn::Sub(a, b))
GF_CHEAP_BINARY(Mul, hn::Mul(a, b))
GF_BINARY(Div, hn::Div(a, b))
GF_BINARY(Min, min_nan(a, b))
GF_BINARY(Max, max_nan(a, b))
#if GF_SIMD_F64_VECTORS
GF_BINARY(Pow, v_pow(d, a, b))
#else
GF_BINARY_STD(Pow, std::pow)
#endif
GF_BINARY_STD(Fmod, std::fmod)
GF_BINARY(Prelu, hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Mul(a, b), a))
GF_BINARY(GeluGrad, hn::Mul(b, v_gelu_slope(d, a)))
GF_BINARY(GeluTanhGrad, hn::Mul(b, v_gelu_tanh_slope(d, a)))
GF_BINARY(PowHalf, hn::IfThenElse(hn::Eq(hn::Abs(a), hn::Inf(d)), hn::Abs(a), hn::Sqrt(hn::Add(a, hn::Zero(d)))))
GF_BINARY(PowMinusOne, hn::Div(hn::Set(d, 1.0f), a))
GF_BINARY(PowTwo, hn::Mul(a, a))

#if GF_SMALL_LOOPS

template <class D, class Op>
void vector_loop(const void* a, const void* b, void* out, size_t count, size_t step_a, size_t step_b) {
  using T = hn::TFromD<D>;
  const D d;
  const auto *p = static_cast<const char*>(a), *q = static_cast<const char*>(b);
  constexpr int kRounds = requires { Op::kCheap; } ? 4 : 1;
#pragma clang loop unroll_count(kRounds)
  for (auto* r = static_cast<char*>(out); count != 0; --count, p += step_a, q += step_b, r += 16)
    hn::StoreU(Op::call(d, hn::LoadU(d, reinterpret_cast<const T*>(p)), hn::LoadU(d, reinterpret_cast<const T*>(q))), d, reinterpret_cast<T*>(r));
}

void run_by_lanes(float (*f)(float, float), Operands operands, const void* a, const void* b, void* out, int64_t n) {
  const int64_t step_a = operands == Operands::ScalarVector ? 0 : 1, step_b = operands == Operands::VectorScalar ? 0 : 1;
  const auto *x = static_cast<const float*>(a), *y = static_cast<const float*>(b);
  for (auto* z = static_cast<float*>(out); n > 0; --n, x += step_a, y += step_b) *z++ = f(*x, *y);
}

template <class Op, Operands kOperands>
void run_binary(const void* a, const void* b, void* out, int64_t n) {
  if constexpr (requires { Op::kByLanes; }) run_by_lanes(Op::scalar, kOperands, a, b, out, n);
  else run_vectors(vector_loop<F32Tag, Op>, 4, kOperands, a, b, out, n);
}

template <IntKind kKind>
struct Int {
  template <class D, class V>
  static HWY_INLINE V call(D, V a, V b) {
    if constexpr (kKind == IntKind::Add) return hn::Add(a, b);
    else if constexpr (kKind == IntKind::Sub) return hn::Sub(a, b);
    else if constexpr (kKind == IntKind::Mul) return V{sizeof(hn::TFromV<V>) == 4 ? wasm_i32x4_mul(a.raw, b.raw) : wasm_i64x2_mul(a.raw, b.raw)};
    const v128_t first = sizeof(hn::TFromV<V>) == 4 ? wasm_i32x4_gt(a.raw, b.raw) : wasm_i64x2_gt(a.raw, b.raw);
    return V{kKind == IntKind::Max ? wasm_v128_bitselect(a.raw, b.raw, first) : wasm_v128_bitselect(b.raw, a.raw, first)};
  }
};
template <class T, IntKind kKind, Operands kOperands>
void run_int(const void* a, const void* b, void* out, int64_t n) {
  run_vectors(vector_loop<hn::ScalableTag<T>, Int<kKind>>, sizeof(T), kOperands, a, b, out, n);
}

template <CompareKind kKind, Operands kOperands>
void run_compare(const void* a, const void* b, void* out, int64_t n) {
  constexpr bool kSwapped = kKind == CompareKind::Greater || kKind == CompareKind::GreaterOrEqual;
  constexpr unsigned kLess = 1, kEqual = 2, kNot = 4;
  constexpr unsigned kAccepted = kKind == CompareKind::Equal      ? kEqual
                                 : kKind == CompareKind::NotEqual ? kEqual | kNot
                                 : kKind == CompareKind::Less || kKind == CompareKind::Greater ? kLess : kLess | kEqual;
  constexpr bool kScalarA = kOperands == Operands::ScalarVector, kScalarB = kOperands == Operands::VectorScalar;
  if (kSwapped) compare_vectors(kAccepted, b, a, kScalarB, kScalarA, static_cast<uint8_t*>(out), n);
  else compare_vectors(kAccepted, a, b, kScalarA, kScalarB, static_cast<uint8_t*>(out), n);
}

template <class T, bool kScalarA, bool kScalarB>
void run_where(const uint8_t* condition, const void* a, const void* b, void* out, int64_t n) {
  select_vectors(sizeof(T), condition, a, b, kScalarA, kScalarB, out, n);
}

#else

template <class Op, Operands kOperands>
void run_binary(const void* first, const void* second, void* result, int64_t n) {
  const auto *a = static_cast<const float*>(first), *b = static_cast<const float*>(second);
  auto* out = static_cast<float*>(result);
  const F32Tag d;
  const size_t lanes = hn::Lanes(d), count = static_cast<size_t>(n);
  constexpr bool kScalarA = kOperands == Operands::ScalarVector, kScalarB = kOperands == Operands::VectorScalar;
  if (count == 0) return;
  const F32Vec fixed_a = hn::Set(d, *a), fixed_b = hn::Set(d, *b);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const F32Vec x = kScalarA ? fixed_a : hn::LoadU(d, kScalarA ? a : a + i);
    const F32Vec y = kScalarB ? fixed_b : hn::LoadU(d, kScalarB ? b : b + i);
    hn::StoreU(Op::call(d, x, y), d, out + i);
  }
  if (i < count) {
    const size_t rest = count - i;
    const F32Vec x = kScalarA ? fixed_a : load_n(d, a + i, rest);
    const F32Vec y = kScalarB ? fixed_b : load_n(d, b + i, rest);
    store_n(d, Op::call(d, x, y), out + i, rest);
  }
}

template <CompareKind kKind, Operands kOperands>
void run_compare(const void* first, const void* second, void* result, int64_t n) {
  const auto *a = static_cast<const float*>(first), *b = static_cast<const float*>(second);
  auto* out = static_cast<uint8_t*>(result);
  for (int64_t i = 0; i < n; ++i) {
    const float x = kOperands == Operands::ScalarVector ? a[0] : a[i];
    const float y = kOperands == Operands::VectorScalar ? b[0] : b[i];
    bool r;
    if constexpr (kKind == CompareKind::Equal) r = x == y;
    if constexpr (kKind == CompareKind::NotEqual) r = x != y;
    if constexpr (kKind == CompareKind::Less) r = x < y;
    if constexpr (kKind == CompareKind::LessOrEqual) r = x <= y;
    if constexpr (kKind == CompareKind::Greater) r = x > y;
    if constexpr (kKind == CompareKind::GreaterOrEqual) r = x >= y;
    out[i] = r ? 1 : 0;
  }
}

template <class T, IntKind kKind, Operands kOperands>
void run_int(const void* first, const void* second, void* result, int64_t n) {
  const auto *a = static_cast<const T*>(first), *b = static_cast<const T*>(second);
  auto* out = static_cast<T*>(result);
  using U = std::make_unsigned_t<T>;
  const T a0 = n > 0 ? *a : T{0}, b0 = n > 0 ? *b : T{0};
  for (int64_t i = 0; i < n; ++i) {
    const T x = kOperands == Operands::ScalarVector ? a0 : a[i];
    const T y = kOperands == Operands::VectorScalar ? b0 : b[i];
    if constexpr (kKind == IntKind::Add) out[i] = static_cast<T>(static_cast<U>(x) + static_cast<U>(y));
    if constexpr (kKind == IntKind::Sub) out[i] = static_cast<T>(static_cast<U>(x) - static_cast<U>(y));
    if constexpr (kKind == IntKind::Mul) out[i] = static_cast<T>(static_cast<U>(x) * static_cast<U>(y));
    if constexpr (kKind == IntKind::Min) out[i] = x < y ? x : y;
    if constexpr (kKind == IntKind::Max) out[i] = x > y ? x : y;
  }
}

template <class T, bool kScalarA, bool kScalarB>
void run_where(const uint8_t* condition, const void* a, const void* b, void* out, int64_t n) {
  const T* pa = static_cast<const T*>(a);
  const T* pb = static_cast<const T*>(b);
  T* po = static_cast<T*>(out);
  const T a0 = n > 0 ? *pa : T{0}, b0 = n > 0 ? *pb : T{0};
  for (int64_t i = 0; i < n; ++i) {
    const T x = kScalarA ? a0 : pa[i];
    const T y = kScalarB ? b0 : pb[i];
    po[i] = condition[i] != 0 ? x : y;
  }
}

#endif

// Exponents that models use all the time have exact, cheap forms.
void run_pow_scalar(const void* a, const void* b, void* out, int64_t n) {
  const float exponent = *static_cast<const float*>(b);
  if (exponent == 2.0f) return run_binary<PowTwo, Operands::VectorScalar>(a, b, out, n);
  if (exponent == 0.5f) return run_binary<PowHalf, Operands::VectorScalar>(a, b, out, n);
  if (exponent == -1.0f) return run_binary<PowMinusOne, Operands::VectorScalar>(a, b, out, n);
  run_binary<Pow, Operands::VectorScalar>(a, b, out, n);
}

#define GF_OPERANDS(f, first) \
  { f<first, Operands::VectorVector>, f<first, Operands::VectorScalar>, f<first, Operands::ScalarVector> }
#define GF_OPERANDS2(f, T, first) \
  { f<T, first, Operands::VectorVector>, f<T, first, Operands::VectorScalar>, f<T, first, Operands::ScalarVector> }
#define GF_WHERE(T) \
  { run_where<T, false, false>, run_where<T, false, true>, run_where<T, true, false>, run_where<T, true, true> }

struct BinaryTable {
  Binary f32[kBinaryKinds][3];
  Binary compare[kCompareKinds][3];
  Binary i32[kIntKinds][3];
  Binary i64[kIntKinds][3];
  Where where[4][4];
};
constexpr BinaryTable kBinaryTable = {
    {GF_OPERANDS(run_binary, Add), GF_OPERANDS(run_binary, Sub), GF_OPERANDS(run_binary, Mul),
     GF_OPERANDS(run_binary, Div), GF_OPERANDS(run_binary, Min), GF_OPERANDS(run_binary, Max),
     {run_binary<Pow, Operands::VectorVector>, run_pow_scalar, run_binary<Pow, Operands::ScalarVector>},
     GF_OPERANDS(run_binary, Fmod), GF_OPERANDS(run_binary, Prelu), GF_OPERANDS(run_binary, GeluGrad),
     GF_OPERANDS(run_binary, GeluTanhGrad)},
    {GF_OPERANDS(run_compare, CompareKind::Equal), GF_OPERANDS(run_compare, CompareKind::NotEqual),
     GF_OPERANDS(run_compare, CompareKind::Less), GF_OPERANDS(run_compare, CompareKind::LessOrEqual),
     GF_OPERANDS(run_compare, CompareKind::Greater), GF_OPERANDS(run_compare, CompareKind::GreaterOrEqual)},
    {GF_OPERANDS2(run_int, int32_t, IntKind::Add), GF_OPERANDS2(run_int, int32_t, IntKind::Sub),
     GF_OPERANDS2(run_int, int32_t, IntKind::Mul), GF_OPERANDS2(run_int, int32_t, IntKind::Min),
     GF_OPERANDS2(run_int, int32_t, IntKind::Max)},
    {GF_OPERANDS2(run_int, int64_t, IntKind::Add), GF_OPERANDS2(run_int, int64_t, IntKind::Sub),
     GF_OPERANDS2(run_int, int64_t, IntKind::Mul), GF_OPERANDS2(run_int, int64_t, IntKind::Min),
     GF_OPERANDS2(run_int, int64_t, IntKind::Max)},
    {GF_WHERE(uint8_t), GF_WHERE(uint16_t), GF_WHERE(uint32_t), GF_WHERE(uint64_t)},
};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

Binary binary_f32(Isa isa, BinaryKind kind, Operands operands) {
  return (GF_SIMD_SELECT(isa, kBinaryTable.f32))[static_cast<int>(kind)][static_cast<int>(operands)];
}
Binary compare_f32(Isa isa, CompareKind kind, Operands operands) {
  return (GF_SIMD_SELECT(isa, kBinaryTable.compare))[static_cast<int>(kind)][static_cast<int>(operands)];
}
Binary binary_i32(Isa isa, IntKind kind, Operands operands) {
  return (GF_SIMD_SELECT(isa, kBinaryTable.i32))[static_cast<int>(kind)][static_cast<int>(operands)];
}
Binary binary_i64(Isa isa, IntKind kind, Operands operands) {
  return (GF_SIMD_SELECT(isa, kBinaryTable.i64))[static_cast<int>(kind)][static_cast<int>(operands)];
}
Where where_select(Isa isa, int element_bytes, bool a_scalar, bool b_scalar) {
  const int row = element_bytes == 1 ? 0 : element_bytes == 2 ? 1 : element_bytes == 4 ? 2 : element_bytes == 8 ? 3 : -1;
  if (row < 0) return nullptr;
  return (GF_SIMD_SELECT(isa, kBinaryTable.where))[row][(a_scalar ? 2 : 0) + (b_scalar ? 1 : 0)];
}

}  // namespace gf::simd
#endif
