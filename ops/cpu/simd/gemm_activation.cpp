// Activations applied to a tile that has just been stored (and so lies in L1), one set per target. ReLU and clamps do
// not come here: the tile kernels apply them in registers.
#include "ops/cpu/simd/gemm_kernels.h"
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/gemm_activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/simd/elementwise.h"
#include "ops/cpu/simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#if GF_SMALL_LOOPS
// The loops of the elementwise functions, row by row.
void activate(const ActivationSpec& spec, float* c, int64_t ldc, int64_t rows, int64_t cols) {
  if (spec.kind == Activation::None) return;
  const UnaryF32 f = activation_f32(spec.kind);
  if (ldc == cols) {
    cols *= rows;
    rows = 1;
  }
  for (int64_t i = 0; i < rows; ++i, c += ldc) f(c, c, cols, spec.a, spec.b);
}
#else
template <class F>
HWY_INLINE void map_block(float* c, int64_t ldc, int64_t rows, int64_t cols, F f) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i, c += ldc) {
    int64_t j = 0;
    for (; j + lanes <= cols; j += lanes) hn::StoreU(f(d, hn::LoadU(d, c + j)), d, c + j);
    if (j < cols) {
      const auto rest = static_cast<size_t>(cols - j);
      store_n(d, f(d, load_n(d, c + j, rest)), c + j, rest);
    }
  }
}

// x times min(max(alpha x + beta, 0), 1), or that factor alone.
template <bool kTimesX>
HWY_INLINE F32Vec hard_sigmoid(F32Tag d, F32Vec x, float alpha, float beta) {
  const F32Vec y = hn::MulAdd(x, hn::Set(d, alpha), hn::Set(d, beta));
  const F32Vec clamped = hn::Min(hn::Max(y, hn::Zero(d)), hn::Set(d, 1.0f));
  return nan_of(x, kTimesX ? hn::Mul(x, clamped) : clamped);
}

void activate(const ActivationSpec& spec, float* c, int64_t ldc, int64_t rows, int64_t cols) {
  const float a = spec.a, b = spec.b;
  const auto apply = [&](auto f) HWY_ATTR { map_block(c, ldc, rows, cols, f); };
  switch (spec.kind) {
    case Activation::None: return;
    case Activation::Relu:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return max_nan(x, hn::Zero(d)); });
    case Activation::Clamp:
      return apply([=](F32Tag d, F32Vec x) HWY_ATTR { return min_nan(max_nan(x, hn::Set(d, a)), hn::Set(d, b)); });
    case Activation::LeakyRelu:
      return apply([=](F32Tag d, F32Vec x) HWY_ATTR {
        return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, hn::Set(d, a)), x);
      });
    case Activation::HardSigmoid:
      return apply([=](F32Tag d, F32Vec x) HWY_ATTR { return hard_sigmoid<false>(d, x, a, b); });
    case Activation::HardSwish:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return hard_sigmoid<true>(d, x, 1.0f / 6.0f, 0.5f); });
    case Activation::Sigmoid:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return v_sigmoid(d, x); });
    case Activation::Silu:
      return apply([=](F32Tag d, F32Vec x) HWY_ATTR { return hn::Mul(x, v_sigmoid(d, hn::Mul(x, hn::Set(d, a)))); });
    case Activation::Tanh:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return v_tanh(d, x); });
    case Activation::Gelu:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return v_gelu(d, x); });
    case Activation::GeluTanh:
      return apply([](F32Tag d, F32Vec x) HWY_ATTR { return v_gelu_tanh(d, x); });
    case Activation::Elu:
      return apply([=](F32Tag d, F32Vec x) HWY_ATTR {
        return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(v_expm1(d, x), hn::Set(d, a)), x);
      });
  }
}

#endif

}  // namespace

struct ActivationTable {
  ActivateBlock block;
};
constexpr ActivationTable kActivation = {activate};

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

ActivateBlock activate_block(Isa isa) { return GF_SIMD_SELECT(isa, kActivation.block); }

}  // namespace gf::simd
#endif
