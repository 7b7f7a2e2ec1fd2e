// What matmul, conv and conv_transpose do to an element before it is stored: y = activation(sum + bias + residual).
// Fusion passes fill it in; kernels map it to their own (ops/cpu/simd/activation.h has the same numbers).
#pragma once

#include <cmath>

#include "schema/op.h"
#include "schema/precision.h"

namespace gf {

/// f(x) with parameters a and b (attributes activation_a and activation_b). Values stand in files: never renumber.
enum class Activation : uint8_t {
  None = 0,         ///< x
  Relu = 1,         ///< max(x, 0)
  Clamp = 2,        ///< min(max(x, a), b); a <= b
  LeakyRelu = 3,    ///< x < 0 ? a * x : x
  HardSigmoid = 4,  ///< min(max(a * x + b, 0), 1)
  HardSwish = 5,    ///< x * min(max(x / 6 + 0.5, 0), 1)
  Sigmoid = 6,      ///< 1 / (1 + exp(-x))
  Silu = 7,         ///< x / (1 + exp(-a * x)); SiLU: a = 1
  Tanh = 8,         ///< tanh(x)
  Gelu = 9,         ///< x * (1 + erf(x / sqrt(2))) / 2
  GeluTanh = 10,    ///< x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
  Elu = 11,         ///< x < 0 ? a * (exp(x) - 1) : x
};
inline constexpr int64_t kLastActivation = 11;

/// The formula, in float or double. NaN stays NaN.
template <class C>
C activate(Activation f, C x, C a, C b) {
  const C zero = 0, one = 1;
  const auto clamp = [](C v, C low, C high) { return v < low ? low : (v > high ? high : v); };
  switch (f) {
    case Activation::None: return x;
    case Activation::Relu: return x < zero ? zero : x;
    case Activation::Clamp: return clamp(x, a, b);
    case Activation::LeakyRelu: return x < zero ? a * x : x;
    case Activation::HardSigmoid: return clamp(a * x + b, zero, one);
    case Activation::HardSwish: return x * clamp(x / C(6) + C(0.5), zero, one);
    case Activation::Sigmoid: return one / (one + std::exp(-x));
    case Activation::Silu: return x / (one + std::exp(-a * x));
    case Activation::Tanh: return std::tanh(x);
    case Activation::Gelu: return x * (one + std::erf(x * C(0.70710678118654752440))) / C(2);
    case Activation::GeluTanh:
      return x * (one + std::tanh(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x))) / C(2);
    case Activation::Elu: return x < zero ? a * std::expm1(x) : x;
  }
  return x;
}

inline Error check_activation(InferContext& c, Activation activation, float a, float b) {
  if (activation != Activation::None && !kFloats.contains(c.dtype(0)))
    return c.fail(Error::TypeMismatch, "an activation needs a float type, not %s", dtype_name(c.dtype(0)));
  if (activation == Activation::Clamp && !(a <= b))
    return c.fail(Error::BadAttribute, "clamp from %g to %g is empty", static_cast<double>(a), static_cast<double>(b));
  return Error::Ok;
}

/// Checks of an op whose inputs `bias` (one value per output channel) and `residual` (shaped like the output) are
/// optional and whose activation works on floats.
inline Error check_epilogue(InferContext& c, Activation activation, float a, float b, int bias, int residual, const Dim& channels,
                            const DimShape& out) {
  GF_TRY(check_activation(c, activation, a, b));
  if (c.has_input(bias)) {
    GF_TRY(c.expect_same_type(0, bias));
    GF_TRY(c.expect_rank(bias, 1));
    GF_TRY(c.expect_equal(c.shape(bias)[0], channels, "one bias per output channel is needed"));
  }
  if (c.has_input(residual)) {
    GF_TRY(c.expect_same_type(0, residual));
    GF_TRY(c.expect_rank(residual, out.rank));
    for (int d = 0; d < out.rank; ++d)
      GF_TRY(c.expect_equal(c.shape(residual)[d], out[d], "the residual is not shaped like the output"));
  }
  return Error::Ok;
}

}  // namespace gf
