#include "trainer/nn/activations.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

using lazy::Call;

template <class Op>
Tensor named(const char* name, std::initializer_list<Tensor> inputs, const typename Op::Attrs& attrs = {}) {
  const Call call(name);
  return apply<Op>(inputs, attrs);
}

}  // namespace

Tensor relu6(const Tensor& x) { return named<op::Clip>("relu6", {x}, {.min = 0, .max = 6}); }
Tensor leaky_relu(const Tensor& x, double slope) { return named<op::LeakyRelu>("leaky_relu", {x}, {.alpha = static_cast<float>(slope)}); }

Tensor prelu(const Tensor& x, const Tensor& slope) {
  const Call call("prelu");
  if (slope.rank() != 1 || slope.numel() == 1) return apply<op::PRelu>({x, slope});
  Shape64 shape(x.shape().size(), 1);
  if (shape.size() < 2) throw Exception(Error::ShapeMismatch, "prelu: an input of shape " + io::shape_text(x.shape()) + " has no channels");
  shape[1] = slope.size(0);
  return apply<op::PRelu>({x, reshape(slope, shape)});
}

Tensor elu(const Tensor& x, double alpha) { return named<op::Elu>("elu", {x}, {.alpha = static_cast<float>(alpha)}); }
Tensor celu(const Tensor& x, double alpha) { return named<op::Celu>("celu", {x}, {.alpha = static_cast<float>(alpha)}); }
Tensor selu(const Tensor& x) { return named<op::Selu>("selu", {x}); }
Tensor mish(const Tensor& x) { return named<op::Mish>("mish", {x}); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  const Call call("softplus");
  const Tensor scaled = beta == 1 ? x : x * beta, y = apply<op::Softplus>({scaled});
  return where(gt(scaled, threshold), x, beta == 1 ? y : y / beta);
}
Tensor softsign(const Tensor& x) { return named<op::Softsign>("softsign", {x}); }
Tensor hardtanh(const Tensor& x, double min, double max) { return named<op::Clip>("hardtanh", {x}, {.min = min, .max = max}); }
Tensor hardsigmoid(const Tensor& x) { return named<op::HardSigmoid>("hardsigmoid", {x}, {.alpha = 1.0f / 6}); }
Tensor hardswish(const Tensor& x) { return named<op::HardSwish>("hardswish", {x}); }
Tensor hardshrink(const Tensor& x, double lambda) { return named<op::Shrink>("hardshrink", {x}, {.lambd = static_cast<float>(lambda)}); }
Tensor softshrink(const Tensor& x, double lambda) {
  return named<op::Shrink>("softshrink", {x}, {.lambd = static_cast<float>(lambda), .bias = static_cast<float>(lambda)});
}
Tensor tanhshrink(const Tensor& x) {
  const Call call("tanhshrink");
  return x - tanh(x);
}
Tensor logsigmoid(const Tensor& x) {
  const Call call("logsigmoid");
  return -apply<op::Softplus>({-x});
}
Tensor softmin(const Tensor& x, int64_t axis) {
  const Call call("softmin");
  return softmax(-x, axis);
}

Tensor glu(const Tensor& x, int64_t axis) {
  const Call call("glu");
  const int64_t length = x.size(axis);
  if (length % 2 != 0)
    throw Exception(Error::InvalidArgument, "glu: axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()) + " has no halves");
  const std::vector<Tensor> halves = chunk(x, 2, axis);
  return halves[0] * sigmoid(halves[1]);
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  const Call call("threshold");
  return where(gt(x, threshold), x, number_like(x, value));
}

Tensor maxout(const Tensor& x, int64_t pieces, int64_t axis) {
  const Call call("maxout");
  const int64_t length = x.size(axis);
  if (pieces < 1 || length % pieces != 0)
    throw Exception(Error::InvalidArgument, "maxout: axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()) + " does not divide by " + std::to_string(pieces));
  const int64_t at = axis < 0 ? axis + x.rank() : axis;
  return amax(unflatten(x, at, {length / pieces, pieces}), {at + 1});
}

}  // namespace gf::nn
