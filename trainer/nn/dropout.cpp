#include "trainer/nn/dropout.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops/dropout.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

RandomMasks::RandomMasks(const char* layer, double p) : p_(p), key_(static_cast<int64_t>(default_generator().next_key())) {
  if (!(p >= 0 && p < 1)) throw Exception(Error::InvalidArgument, std::string(layer) + ": probability " + std::to_string(p) + " is outside [0, 1)");
  draws_ = register_buffer("draws", Tensor::from<int64_t>({0}, {}), false);
}
Tensor RandomMasks::draw(const Tensor& x, size_t output) {
  const op::Dropout::Attrs attrs{.ratio = static_cast<float>(p_), .training = true, .seed = key_};
  const Tensor inputs[] = {x, draws_};
  const Tensor y = apply(op_def<op::Dropout>, &attrs, inputs, output + 1)[output];
  draws_.follow(draws_ + 1);
  return y;
}

Tensor ChannelDropout::forward(const Tensor& x) {
  if (!is_active()) return x;
  if (x.rank() < 3) throw Exception(Error::ShapeMismatch, "Dropout2d: an input of shape " + io::shape_text(x.shape()) + " has no batch, channels and space");
  Shape64 shape(x.shape().size(), 1);
  shape[0] = x.size(0);
  shape[1] = x.size(1);
  return x * drop(expand(number_like(x, 1), shape));
}

Tensor AlphaDropout::forward(const Tensor& x) {
  if (!is_active()) return x;
  // dropped elements become -alpha' = -1.758..., then a and b bring mean and variance back
  constexpr double kAlpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((1 - p()) * (1 + p() * kAlpha * kAlpha)), b = a * kAlpha * p();
  return where(mask(x), x, number_like(x, -kAlpha)) * a + b;
}

}  // namespace gf::nn
