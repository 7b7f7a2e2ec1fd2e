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
Tensor kaiming_uniform(Shape64 shape, double a = 0);     ///< He et al. 2015: fan in, leaky ReLU of slope a
Tensor kaiming_normal(Shape64 shape, double a = 0);
/// U(-b, b), b = 1 / sqrt(fan in): what PyTorch's layers begin with.
Tensor fan_in_uniform(Shape64 shape, int64_t fan_in);
/// Rows (or columns, where there are fewer) orthonormal times gain: Saxe et al. 2013, by Gram-Schmidt in float64.
Tensor orthogonal(Shape64 shape, double gain = 1);
}  // namespace init

}  // namespace gf::nn
