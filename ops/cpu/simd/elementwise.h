// Elementwise kernels on contiguous runs: what a fused pointwise chain calls on tiles of 1-4 KB held in the first-level
// cache, and what broadcasting and threading wrap. Resolve the function once (create), call it per tile (run).
// All functions: no heap, no exceptions, any alignment, nothing read or written beyond element n-1; an output may be
// the same array as an input, but not overlap it otherwise. NaN, infinities and denormals as the ONNX formulas say.
// Thread rule: pure functions.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/core/dtype.h"
#include "runtime/kernel/isa.h"

namespace gf::simd {

/// y = f(x; p0, p1) in f32. Errors in ulp against long double, max over all ISAs (tests/simd/math_test.cpp);
/// "std" means the lane-wise C library function, "exact" correctly rounded.
enum class UnaryKind : uint8_t {
  Identity, Abs, Neg, Square,      // exact
  Sqrt, Reciprocal,                // exact
  Rsqrt,                           // 1/sqrt(x), 1.5 ulp
  Ceil, Floor, Round, Trunc, Sign, // exact; Round is half to even; Sign(NaN) = NaN
  Exp, Expm1, Log, Log1p,          // 2, 3, 2, 2
  Sin, Cos,                        // 1, 1
  Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh,  // std
  Tanh, Sigmoid, Softplus, Erf,    // 3, 3, 3, 2
  Gelu, GeluTanh,                  // 6; see v_gelu_tanh
  Silu, Mish,                      // 4, 5
  Relu,                            // x < 0 ? 0 : x, so NaN stays
  LeakyRelu,                       // x < 0 ? p0 x : x
  Elu,                             // x < 0 ? p0 expm1(x) : x
  Selu,                            // p1 (x <= 0 ? p0 expm1(x) : x): p0 alpha, p1 gamma
  Celu,                            // x < 0 ? p0 expm1(x / p0) : x
  Softsign,                        // x / (1 + |x|)
  HardSigmoid,                     // clip(p0 x + p1, 0, 1)
  HardSwish,                       // x clip(x/6 + 1/2, 0, 1)
  ThresholdedRelu,                 // x > p0 ? x : 0
  Shrink,                          // x < -p1 ? x + p0 : x > p1 ? x - p0 : 0: p0 bias, p1 lambda
  Clip,                            // x < p0 ? p0 : x, then > p1 ? p1
  Affine,                          // p0 x + p1 (one or two roundings)
  Swish,                           // x sigmoid(p0 x)
};
inline constexpr int kUnaryKinds = static_cast<int>(UnaryKind::Swish) + 1;

enum class BinaryKind : uint8_t {
  Add, Sub, Mul, Div,  // exact
  Min, Max,            // NaN when either is NaN
  Pow,                 // <= 1 ulp, special cases as std::pow
  Fmod,                // std::fmod (ONNX Mod with fmod = 1)
  Prelu,               // a < 0 ? a b : a
  GeluGrad,            // b gelu'(a); see v_gelu_slope
  GeluTanhGrad,        // the same of the tanh form
};
inline constexpr int kBinaryKinds = static_cast<int>(BinaryKind::GeluTanhGrad) + 1;

enum class CompareKind : uint8_t { Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual };
inline constexpr int kCompareKinds = 6;

enum class IntKind : uint8_t { Add, Sub, Mul, Min, Max };  ///< two's complement, wrapping
inline constexpr int kIntKinds = 5;

/// Which operands are runs of n elements and which point at one element.
enum class Operands : uint8_t { VectorVector = 0, VectorScalar = 1, ScalarVector = 2 };

using UnaryF32 = void (*)(const float* in, float* out, int64_t n, float p0, float p1);
using Binary = void (*)(const void* a, const void* b, void* out, int64_t n);
/// out[i] = condition[i] != 0 ? a[i] : b[i]; elements of 1, 2, 4 or 8 bytes.
using Where = void (*)(const uint8_t* condition, const void* a, const void* b, void* out, int64_t n);
using Cast = void (*)(const void* in, void* out, int64_t n);

/// Functions for `isa` (the best compiled target it allows). Never null.
UnaryF32 unary_f32(Isa isa, UnaryKind kind);
UnaryF32 activation_f32(Activation activation);  ///< where code is for size (GF_SMALL_LOOPS): one that this build has
Binary binary_f32(Isa isa, BinaryKind kind, Operands operands);
Binary compare_f32(Isa isa, CompareKind kind, Operands operands);  ///< writes bytes, 0 or 1; NaN: only NotEqual is true
Binary binary_i32(Isa isa, IntKind kind, Operands operands);
Binary binary_i64(Isa isa, IntKind kind, Operands operands);

/// `element_bytes` 1, 2, 4 or 8, else null. `a_scalar`/`b_scalar`: the operand points at one element.
Where where_select(Isa isa, int element_bytes, bool a_scalar, bool b_scalar);

/// Conversion of `from` to `to`, or null for pairs not here. Pairs: f32 <-> f16, bf16, i8, u8, i32, i64, bool.
/// To 16-bit floats: half to even, overflow to infinity, NaN stays NaN. To integers: towards zero; out of range
/// saturates and NaN gives 0 (ONNX leaves both open; this is the same on every ISA). To bool: x != 0 (NaN is true).
/// From integers: nearest, half to even.
Cast cast_run(Isa isa, DType from, DType to);

}  // namespace gf::simd
