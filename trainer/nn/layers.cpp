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
  if (!padding) return;
  const no_grad off;
  weight.follow(where(eq(unsqueeze(arange(count), 1), static_cast<double>(*padding)), number_like(weight, 0), weight));
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

SelfAttention::SelfAttention(int64_t dim, int64_t heads, bool causal, bool bias) : heads_(heads), causal_(causal) {
  if (heads < 1 || dim % heads != 0)
    throw Exception(Error::InvalidArgument, "SelfAttention: " + std::to_string(dim) + " does not divide by " + std::to_string(heads) + " heads");
  in_proj_weight = register_parameter("in_proj_weight", init::xavier_uniform({3 * dim, dim}));
  if (bias) in_proj_bias = register_parameter("in_proj_bias", Tensor::zeros({3 * dim}));
  out_proj_ = register_module("out_proj", std::make_shared<Linear>(dim, dim, bias));
  if (bias) out_proj_->bias.assign(io::Array::zeros(DType::F32, {dim}));
}

Tensor SelfAttention::forward(const Tensor& x) {
  const int64_t batch = x.size(0), length = x.size(1), dim = x.size(2);
  const std::vector<Tensor> parts = split(linear(x, in_proj_weight, in_proj_bias), {dim, dim, dim}, 2);
  const auto by_head = [&](const Tensor& t) { return permute(reshape(t, {batch, length, heads_, dim / heads_}), {0, 2, 1, 3}); };
  const Tensor y = scaled_dot_product_attention(by_head(parts[0]), by_head(parts[1]), by_head(parts[2]), {}, causal_);
  return (*out_proj_)(reshape(permute(y, {0, 2, 1, 3}), {batch, length, dim}));
}

}  // namespace gf::nn
