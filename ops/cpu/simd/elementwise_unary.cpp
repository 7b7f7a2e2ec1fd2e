// Unary f32 tile functions: one struct per formula, one table of function pointers per target.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/elementwise_unary.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/built_activations.h"
#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/math-inl.h"
#include "ops/cpu/simd/small_loops.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// Each formula: static V call(d, x, p0, p1) on a whole vector.
#define GF_UNARY(name, ...)                                             \
  struct name {                                                         \
    template <class D, class V>                                         \
    static HWY_INLINE V call([[maybe_unused]] D d, V x, [[maybe_unused]] V p0, [[maybe_unused]] V p1) { \
      __VA_ARGS__;                                                      \
    }                                                                   \
  };

// musl's acoshf, WebAssembly's, gives numbers below -1.
[[maybe_unused]] float acosh_or_nan(float x) { return x < 1.0f ? __builtin_nanf("") : std::acosh(x); }

#define GF_UNARY_STD(name, function)                              \
  struct name {                                                   \
    [[maybe_unused]] static constexpr bool kByLanes = true;       \
    static float scalar(float x) { return function(x); }          \
    template <class D, class V>                                   \
    static HWY_INLINE V call(D d, V x, V, V) {                    \
      return map_lanes(d, x, scalar);                             \
    }                                                             \
  };

GF_UNARY(Identity, return x)
GF_UNARY(Abs, return hn::Abs(x))
GF_UNARY(Neg, return hn::Neg(x))
GF_UNARY(Square, return hn::Mul(x, x))
GF_UNARY(Sqrt, return hn::Sqrt(x))
GF_UNARY(Reciprocal, return hn::Div(hn::Set(d, 1.0f), x))
GF_UNARY(Rsqrt, return hn::Div(hn::Set(d, 1.0f), hn::Sqrt(x)))
GF_UNARY(Ceil, return hn::Ceil(x))
GF_UNARY(Floor, return hn::Floor(x))
GF_UNARY(Round, return hn::Round(x))
GF_UNARY(Trunc, return hn::Trunc(x))
GF_UNARY(Sign, const V zero = hn::Zero(d);
         return hn::IfThenElse(hn::Gt(x, zero), hn::Set(d, 1.0f),
                               hn::IfThenElse(hn::Lt(x, zero), hn::Set(d, -1.0f), x)))
GF_UNARY(Exp, return v_exp(d, x))
GF_UNARY(Expm1, return v_expm1(d, x))
GF_UNARY(Log, return v_log(d, x))
GF_UNARY(Log1p, return v_log1p(d, x))
#if GF_SIMD_F64_VECTORS
GF_UNARY(Sin, return v_sin(d, x))
GF_UNARY(Cos, return v_cos(d, x))
#else
GF_UNARY_STD(Sin, std::sin)
GF_UNARY_STD(Cos, std::cos)
#endif
GF_UNARY_STD(Tan, std::tan)
GF_UNARY_STD(Asin, std::asin)
GF_UNARY_STD(Acos, std::acos)
GF_UNARY_STD(Atan, std::atan)
GF_UNARY_STD(Sinh, std::sinh)
GF_UNARY_STD(Cosh, std::cosh)
GF_UNARY_STD(Asinh, std::asinh)
GF_UNARY_STD(Acosh, acosh_or_nan)
GF_UNARY_STD(Atanh, std::atanh)
GF_UNARY(Tanh, return v_tanh(d, x))
GF_UNARY(Sigmoid, return v_sigmoid(d, x))
GF_UNARY(Softplus, return v_softplus(d, x))
GF_UNARY(Erf, return v_erf(d, x))
GF_UNARY(Gelu, return v_gelu(d, x))
GF_UNARY(GeluTanh, return v_gelu_tanh(d, x))
GF_UNARY(Silu, return v_silu(d, x))
GF_UNARY(Mish, return v_mish(d, x))
GF_UNARY(Relu, return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x))
GF_UNARY(LeakyRelu, return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, p0), x))
GF_UNARY(Elu, return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(p0, v_expm1(d, x)), x))
GF_UNARY(Selu, return hn::Mul(p1, hn::IfThenElse(hn::Le(x, hn::Zero(d)), hn::Mul(p0, v_expm1(d, x)), x)))
GF_UNARY(Celu, return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(p0, v_expm1(d, hn::Div(x, p0))), x))
GF_UNARY(Softsign, return hn::Div(x, hn::Add(hn::Set(d, 1.0f), hn::Abs(x))))

GF_UNARY(HardSigmoid, return clip(hn::MulAdd(p0, x, p1), hn::Zero(d), hn::Set(d, 1.0f)))
GF_UNARY(HardSwish, return hn::Mul(x, clip(hn::MulAdd(x, hn::Set(d, 1.0f / 6.0f), hn::Set(d, 0.5f)), hn::Zero(d),
                                           hn::Set(d, 1.0f))))
GF_UNARY(ThresholdedRelu, return hn::IfThenElseZero(hn::Gt(x, p0), x))
GF_UNARY(Shrink, return hn::IfThenElse(hn::Lt(x, hn::Neg(p1)), hn::Add(x, p0),
                                       hn::IfThenElseZero(hn::Gt(x, p1), hn::Sub(x, p0))))
GF_UNARY(Clip, return clip(x, p0, p1))
GF_UNARY(Affine, return hn::MulAdd(p0, x, p1))
GF_UNARY(Swish, return hn::Mul(x, v_sigmoid(d, hn::Mul(p0, x))))

#if GF_SMALL_LOOPS
template <class Op>
void unary_loop(const float* in, float* out, size_t count, float p0, float p1) {
  const F32Tag d;
  const F32Vec v0 = hn::Set(d, p0), v1 = hn::Set(d, p1);
  for (; count != 0; --count, in += 4, out += 4) hn::StoreU(Op::call(d, hn::LoadU(d, in), v0, v1), d, out);
}

void run_by_lanes(float (*f)(float), const float* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]);
}

template <class Op>
void run_unary(const float* in, float* out, int64_t n, float p0, float p1) {
  if constexpr (requires { Op::kByLanes; }) run_by_lanes(Op::scalar, in, out, n);
  else run_vectors(unary_loop<Op>, in, out, n, p0, p1);
}
#else
template <class Op>
void run_unary(const float* in, float* out, int64_t n, float p0, float p1) {
  const F32Tag d;
  const size_t lanes = hn::Lanes(d), count = static_cast<size_t>(n);
  const F32Vec v0 = hn::Set(d, p0), v1 = hn::Set(d, p1);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Op::call(d, hn::LoadU(d, in + i), v0, v1), d, out + i);
  if (i < count) store_n(d, Op::call(d, load_n(d, in + i, count - i), v0, v1), out + i, count - i);
}
#endif

struct UnaryTable {
  UnaryF32 functions[kUnaryKinds];
};
// In the order of UnaryKind.
constexpr UnaryTable kUnaryTable = {{
    run_unary<Identity>, run_unary<Abs>, run_unary<Neg>, run_unary<Square>, run_unary<Sqrt>, run_unary<Reciprocal>,
    run_unary<Rsqrt>, run_unary<Ceil>, run_unary<Floor>, run_unary<Round>, run_unary<Trunc>, run_unary<Sign>,
    run_unary<Exp>, run_unary<Expm1>, run_unary<Log>, run_unary<Log1p>, run_unary<Sin>, run_unary<Cos>, run_unary<Tan>,
    run_unary<Asin>, run_unary<Acos>, run_unary<Atan>, run_unary<Sinh>, run_unary<Cosh>, run_unary<Asinh>,
    run_unary<Acosh>, run_unary<Atanh>, run_unary<Tanh>, run_unary<Sigmoid>, run_unary<Softplus>, run_unary<Erf>,
    run_unary<Gelu>, run_unary<GeluTanh>, run_unary<Silu>, run_unary<Mish>, run_unary<Relu>, run_unary<LeakyRelu>,
    run_unary<Elu>, run_unary<Selu>, run_unary<Celu>, run_unary<Softsign>, run_unary<HardSigmoid>,
    run_unary<HardSwish>, run_unary<ThresholdedRelu>, run_unary<Shrink>, run_unary<Clip>, run_unary<Affine>,
    run_unary<Swish>,
}};
static_assert(kUnaryKinds == 48, "the table above lists every UnaryKind");

#if GF_SMALL_LOOPS
template <Activation kActivation, class Op>
constexpr UnaryF32 built() {
  if constexpr (cpu::built_activation(static_cast<int>(kActivation))) return run_unary<Op>;
  else return nullptr;
}
// In the order of Activation. Apart from the table above: a build of few activations drops the other functions with it.
constexpr UnaryF32 kActivationTable[] = {
    run_unary<Identity>, built<Activation::Relu, Relu>(), built<Activation::Clamp, Clip>(), built<Activation::LeakyRelu, LeakyRelu>(),
    built<Activation::HardSigmoid, HardSigmoid>(), built<Activation::HardSwish, HardSwish>(), built<Activation::Sigmoid, Sigmoid>(),
    built<Activation::Silu, Swish>(), built<Activation::Tanh, Tanh>(), built<Activation::Gelu, Gelu>(),
    built<Activation::GeluTanh, GeluTanh>(), built<Activation::Elu, Elu>()};
static_assert(sizeof kActivationTable / sizeof *kActivationTable == static_cast<size_t>(Activation::Elu) + 1, "in the order of Activation");
#endif

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

UnaryF32 unary_f32(Isa isa, UnaryKind kind) {
  const auto index = static_cast<unsigned>(kind);
  return (GF_SIMD_SELECT(isa, kUnaryTable.functions))[index];
}
#if GF_SMALL_LOOPS
UnaryF32 activation_f32(Activation activation) { return (GF_SIMD_SELECT(Isa::Wasm128, kActivationTable))[static_cast<size_t>(activation)]; }
#endif

}  // namespace gf::simd
#endif
