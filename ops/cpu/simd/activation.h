// Activations that matrix product and convolution kernels apply to their output before it leaves the cache.
// The op definitions mirror this enum. Plain values: no state, no ownership, any thread.
#pragma once

#include <cstdint>

namespace gf::simd {

/// f(x) of one element; `a` and `b` are the fields of ActivationSpec. All of them give NaN for NaN.
enum class Activation : uint8_t {
  None = 0,         ///< x
  Relu = 1,         ///< max(x, 0)
  Clamp = 2,        ///< min(max(x, a), b); a <= b
  LeakyRelu = 3,    ///< x < 0 ? a * x : x
  HardSigmoid = 4,  ///< min(max(a * x + b, 0), 1); ONNX: a = 0.2, b = 0.5
  HardSwish = 5,    ///< x * min(max(x / 6 + 0.5, 0), 1)
  Sigmoid = 6,      ///< 1 / (1 + exp(-x))
  Silu = 7,         ///< x / (1 + exp(-a * x)); SiLU and Swish: a = 1, quick GELU: a = 1.702
  Tanh = 8,         ///< tanh(x)
  Gelu = 9,         ///< x * (1 + erf(x / sqrt(2))) / 2
  GeluTanh = 10,    ///< x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
  Elu = 11,         ///< x < 0 ? a * (exp(x) - 1) : x
};

/// An activation with its parameters. Unused parameters are ignored.
struct ActivationSpec {
  Activation kind = Activation::None;
  float a = 0.0F;
  float b = 0.0F;
};

}  // namespace gf::simd
