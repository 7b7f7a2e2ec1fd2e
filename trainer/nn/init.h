// First values of weights, with PyTorch's formulas. Numbers come from Philox (schema/random.h): one key, a counter per tensor, so that a
// seed gives the same weights on every machine.
#pragma once

#include <cstdint>

#include "trainer/tensor/functions_creation.h"

namespace gf::nn {

using gf::default_generator;
using gf::Generator;
using gf::manual_seed;

/// While one lives, no first values are drawn: random tensors are zeros that take no memory before somebody looks at them. For counting
/// parameters, and for nets whose weights are loaded.
class NoInit {
 public:
  NoInit();
  ~NoInit();
  NoInit(const NoInit&) = delete;
  NoInit& operator=(const NoInit&) = delete;
};

namespace init {
/// Inputs and outputs of one element of the result: [out, in, kernel...]. Throws ShapeMismatch below rank 2.
struct Fan {
  int64_t in, out;
};
Fan fan_of(const Shape64& shape);
Tensor uniform(Shape64 shape, double low = 0, double high = 1);
Tensor normal(Shape64 shape, double mean = 0, double deviation = 1);
/// Normal, drawn again outside [low, high].
Tensor trunc_normal(Shape64 shape, double mean = 0, double deviation = 1, double low = -2, double high = 2);
Tensor xavier_uniform(Shape64 shape, double gain = 1);   ///< Glorot and Bengio 2010
Tensor xavier_normal(Shape64 shape, double gain = 1);
/// He et al. 2015: for a leaky ReLU of slope a; the variance is kept forwards (fan in), or backwards.
enum class FanMode : uint8_t { In, Out };
Tensor kaiming_uniform(Shape64 shape, double a = 0, FanMode mode = FanMode::In);
Tensor kaiming_normal(Shape64 shape, double a = 0, FanMode mode = FanMode::In);
/// U(-b, b), b = 1 / sqrt(fan in): what PyTorch's layers begin with.
Tensor fan_in_uniform(Shape64 shape, int64_t fan_in);
/// Rows (or columns, where there are fewer) orthonormal times gain: Saxe et al. 2013, by Gram-Schmidt in float64.
Tensor orthogonal(Shape64 shape, double gain = 1);
/// A convolution's weight [out, in, kernel...] that passes as many channels as it can on unchanged, group by group; odd kernels have a middle.
/// Throws InvalidArgument: rank below 3, groups that do not divide the outputs.
Tensor dirac(Shape64 shape, int64_t groups = 1);
inline Tensor constant(Shape64 shape, double value) { return Tensor::full(std::move(shape), value); }
inline Tensor zeros(Shape64 shape) { return Tensor::zeros(std::move(shape)); }
inline Tensor ones(Shape64 shape) { return Tensor::ones(std::move(shape)); }
}  // namespace init

}  // namespace gf::nn
