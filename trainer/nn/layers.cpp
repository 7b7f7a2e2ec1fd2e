#include "trainer/nn/layers.h"

#include "runtime/core/exception.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {

Linear::Linear(int64_t in, int64_t out, bool with_bias) {
  weight = register_parameter("weight", init::fan_in_uniform({out, in}, in));
  if (with_bias) bias = register_parameter("bias", init::fan_in_uniform({out}, in));
}

Embedding::Embedding(int64_t count, int64_t dim, std::optional<int64_t> padding) : padding_(padding) {
  if (padding && (*padding < 0 || *padding >= count))
    throw Exception(Error::InvalidArgument, "Embedding: row " + std::to_string(*padding) + " of " + std::to_string(count) + " for padding");
  weight = register_parameter("weight", init::normal({count, dim}));
  clear_padding();
}
void Embedding::clear_padding() {
  if (!padding_) return;
  const no_grad off;
  weight.follow(where(eq(unsqueeze(arange(weight.size(0)), 1), static_cast<double>(*padding_)), number_like(weight, 0), weight));
}
Tensor Embedding::forward(const Tensor& indices) {
  const lazy::Call call("Embedding");
  const Tensor rows = embedding(indices, weight);
  if (!padding_) return rows;
  return where(unsqueeze(eq(indices, static_cast<double>(*padding_)), -1), rows.detach(), rows);
}

EmbeddingBag::EmbeddingBag(int64_t count, int64_t dim, BagMode mode) : mode_(mode) { weight = register_parameter("weight", init::normal({count, dim})); }

Tensor EmbeddingBag::forward(const Tensor& indices) {
  const lazy::Call call("EmbeddingBag");
  if (indices.rank() != 2)
    throw Exception(Error::ShapeMismatch, "EmbeddingBag: indices of shape " + io::shape_text(indices.shape()) + "; [bags, length] is needed, or a vector with offsets");
  const Tensor rows = embedding(indices, weight);
  if (mode_ == BagMode::Max) return amax(rows, {1});
  return mode_ == BagMode::Mean ? mean(rows, {1}) : sum(rows, {1});
}

Tensor EmbeddingBag::forward(const Tensor& indices, const Tensor& offsets) {
  const lazy::Call call("EmbeddingBag");
  if (mode_ == BagMode::Max) throw Exception(Error::Unsupported, "EmbeddingBag: maxima of bags by offsets");
  if (indices.rank() != 1 || offsets.rank() != 1)
    throw Exception(Error::ShapeMismatch, "EmbeddingBag: indices of shape " + io::shape_text(indices.shape()) + " with offsets of shape " + io::shape_text(offsets.shape()) + "; two vectors are needed");
  // element i lies in bag b: offsets[b] <= i < offsets[b + 1]
  const Tensor place = arange(indices.size(0)), begin = cast(unsqueeze(offsets, 1), DType::I64);
  const Tensor end = cat({narrow(begin, 0, 1, offsets.size(0)), Tensor::full({1, 1}, static_cast<double>(indices.size(0)), DType::I64)});
  const Tensor inside = cast(logical_and(ge(place, begin), lt(place, end)), weight.dtype());
  const Tensor sums = matmul(inside, embedding(indices, weight));
  return mode_ == BagMode::Sum ? sums : sums / clamp(sum(inside, {1}, true), 1);
}

Bilinear::Bilinear(int64_t in_a, int64_t in_b, int64_t out, bool with_bias) {
  weight = register_parameter("weight", init::fan_in_uniform({out, in_a, in_b}, in_a));
  if (with_bias) bias = register_parameter("bias", init::fan_in_uniform({out}, in_a));
}
Tensor Bilinear::forward(const Tensor& a, const Tensor& b) {
  const lazy::Call call("Bilinear");
  const Tensor products = flatten(unsqueeze(a, -1) * unsqueeze(b, -2), -2, -1);  // [..., in_a in_b]
  return linear(products, flatten(weight, 1), bias);
}

}  // namespace gf::nn
