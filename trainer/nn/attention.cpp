#include "trainer/nn/attention.h"

#include <cmath>
#include <limits>

#include "runtime/core/exception.h"
#include "schema/ops/attention.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

using lazy::Call;

// What to add to scores: bools forbid.
Tensor as_scores(const Tensor& mask, const Tensor& like) {
  if (mask.dtype() != DType::Bool) return mask;
  return where(mask, number_like(like, -std::numeric_limits<double>::infinity()), number_like(like, 0));
}

// Both masks as one that broadcasts to [batch, heads, queries, keys], or empty.
Tensor joined(const AttentionMask& mask, const Tensor& query, int64_t heads) {
  Tensor all;
  if (mask.attn) {
    const Tensor s = as_scores(mask.attn, query);
    all = s.rank() == 3 ? reshape(s, {query.size(0), heads, s.size(1), s.size(2)}) : s;
  }
  if (mask.key_padding) {
    const Tensor s = as_scores(mask.key_padding, query), spread = reshape(s, {s.size(0), 1, 1, s.size(1)});
    all = all ? all + spread : spread;
  }
  return all;
}

std::shared_ptr<LayerNorm> norm_of(int64_t dim, const TransformerOptions& o) { return std::make_shared<LayerNorm>(Shape64{dim}, o.eps, o.bias); }

std::shared_ptr<MultiheadAttention> attention_of(int64_t dim, int64_t heads, const TransformerOptions& o) {
  return std::make_shared<MultiheadAttention>(dim, heads, MultiheadAttentionOptions{.dropout = o.dropout, .bias = o.bias});
}

}  // namespace

MultiheadAttention::MultiheadAttention(int64_t dim, int64_t heads, const MultiheadAttentionOptions& o) : dim_(dim), heads_(heads) {
  if (heads < 1 || dim % heads != 0)
    throw Exception(Error::InvalidArgument, "MultiheadAttention: " + std::to_string(dim) + " does not divide by " + std::to_string(heads) + " heads");
  const int64_t kdim = o.kdim == 0 ? dim : o.kdim, vdim = o.vdim == 0 ? dim : o.vdim;
  if (kdim == dim && vdim == dim) {
    in_proj_weight = register_parameter("in_proj_weight", init::xavier_uniform({3 * dim, dim}));
  } else {
    q_proj_weight = register_parameter("q_proj_weight", init::xavier_uniform({dim, dim}));
    k_proj_weight = register_parameter("k_proj_weight", init::xavier_uniform({dim, kdim}));
    v_proj_weight = register_parameter("v_proj_weight", init::xavier_uniform({dim, vdim}));
  }
  if (o.bias) in_proj_bias = register_parameter("in_proj_bias", Tensor::zeros({3 * dim}));
  out_proj_ = register_module("out_proj", std::make_shared<Linear>(dim, dim, o.bias));
  if (o.dropout != 0) dropout_ = register_module("dropout", std::make_shared<Dropout>(o.dropout));
  if (o.bias) out_proj_->bias.assign(io::Array::zeros(DType::F32, {dim}));
}

// [batch, length, dim] to [batch, length, heads, dim / heads].
Tensor MultiheadAttention::by_heads(const Tensor& x) const { return reshape(x, {x.size(0), x.size(1), heads_, dim_ / heads_}); }

Tensor MultiheadAttention::project(const Tensor& x, size_t which) const {
  const auto from = static_cast<int64_t>(which) * dim_;
  const Tensor weight = in_proj_weight ? narrow(in_proj_weight, 0, from, from + dim_) : which == 0 ? q_proj_weight : which == 1 ? k_proj_weight : v_proj_weight;
  return by_heads(linear(x, weight, in_proj_bias ? narrow(in_proj_bias, 0, from, from + dim_) : Tensor()));
}
std::vector<Tensor> MultiheadAttention::project_all(const Tensor& x) const {
  std::vector<Tensor> parts = split(linear(x, in_proj_weight, in_proj_bias), {dim_, dim_, dim_}, 2);
  for (Tensor& t : parts) t = by_heads(t);
  return parts;
}

// Heads stay inside rows, so nothing is copied; dropout on the weights is written out.
Tensor MultiheadAttention::attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool is_causal) {
  if (dropout_ == nullptr || !dropout_->is_active())
    return apply<op::Attention>({q, k, v, mask}, {.layout = AttentionLayout::HeadsInner, .is_causal = is_causal});
  const auto heads_first = [](const Tensor& t) { return permute(t, {0, 2, 1, 3}); };
  Tensor scores = matmul(heads_first(q), permute(k, {0, 2, 3, 1})) / std::sqrt(static_cast<double>(q.size(3)));
  if (mask) scores = scores + mask;
  if (is_causal) scores = scores + triu(Tensor::full({q.size(1), k.size(1)}, -std::numeric_limits<double>::infinity(), q.dtype()), 1);
  return heads_first(matmul((*dropout_)(softmax(scores, -1)), heads_first(v)));
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMask& mask) {
  const Call call("MultiheadAttention");
  for (const Tensor& x : {query, key, value})
    if (x.rank() != 3) throw Exception(Error::ShapeMismatch, "MultiheadAttention: an input has shape " + io::shape_text(x.shape()) + "; [batch, length, width] is needed");
  const bool of_one = in_proj_weight && query.shared() == key.shared() && key.shared() == value.shared();
  const std::vector<Tensor> parts = of_one ? project_all(query) : std::vector<Tensor>{project(query, 0), project(key, 1), project(value, 2)};
  const Tensor y = attend(parts[0], parts[1], parts[2], joined(mask, query, heads_), mask.is_causal);
  return (*out_proj_)(reshape(y, {query.size(0), query.size(1), dim_}));
}

Tensor MultiheadAttention::forward(const Tensor& x, KeyValueCache& cache, int64_t layer) {
  const Call call("MultiheadAttention");
  check_cached("MultiheadAttention", is_training());
  if (x.rank() != 3) throw Exception(Error::ShapeMismatch, "MultiheadAttention: an input has shape " + io::shape_text(x.shape()) + "; [batch, length, width] is needed");
  const std::vector<Tensor> parts = in_proj_weight ? project_all(x) : std::vector<Tensor>{project(x, 0), project(x, 1), project(x, 2)};
  const auto swapped = [](const Tensor& t) { return permute(t, {0, 2, 1, 3}); };
  const Tensor y = cache.attend(layer, swapped(parts[0]), swapped(parts[1]), swapped(parts[2]));
  return (*out_proj_)(reshape(swapped(y), {x.size(0), x.size(1), dim_}));
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t dim, int64_t heads, const TransformerOptions& o) : norm_first_(o.norm_first), activation_(o.activation) {
  self_attn_ = register_module("self_attn", attention_of(dim, heads, o));
  linear1_ = register_module("linear1", std::make_shared<Linear>(dim, o.feed_forward, o.bias));
  dropout_ = register_module("dropout", std::make_shared<Dropout>(o.dropout));
  linear2_ = register_module("linear2", std::make_shared<Linear>(o.feed_forward, dim, o.bias));
  norm1_ = register_module("norm1", norm_of(dim, o));
  norm2_ = register_module("norm2", norm_of(dim, o));
  dropout1_ = register_module("dropout1", std::make_shared<Dropout>(o.dropout));
  dropout2_ = register_module("dropout2", std::make_shared<Dropout>(o.dropout));
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const AttentionMask& mask) {
  const auto attention = [&](const Tensor& t) { return (*dropout1_)(self_attn_->forward(t, t, t, mask)); };
  const auto feed_forward = [&](const Tensor& t) { return (*dropout2_)((*linear2_)((*dropout_)(activation_((*linear1_)(t))))); };
  if (norm_first_) {
    const Tensor y = x + attention((*norm1_)(x));
    return y + feed_forward((*norm2_)(y));
  }
  const Tensor y = (*norm1_)(x + attention(x));
  return (*norm2_)(y + feed_forward(y));
}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t dim, int64_t heads, const TransformerOptions& o) : norm_first_(o.norm_first), activation_(o.activation) {
  self_attn_ = register_module("self_attn", attention_of(dim, heads, o));
  multihead_attn_ = register_module("multihead_attn", attention_of(dim, heads, o));
  linear1_ = register_module("linear1", std::make_shared<Linear>(dim, o.feed_forward, o.bias));
  dropout_ = register_module("dropout", std::make_shared<Dropout>(o.dropout));
  linear2_ = register_module("linear2", std::make_shared<Linear>(o.feed_forward, dim, o.bias));
  norm1_ = register_module("norm1", norm_of(dim, o));
  norm2_ = register_module("norm2", norm_of(dim, o));
  norm3_ = register_module("norm3", norm_of(dim, o));
  dropout1_ = register_module("dropout1", std::make_shared<Dropout>(o.dropout));
  dropout2_ = register_module("dropout2", std::make_shared<Dropout>(o.dropout));
  dropout3_ = register_module("dropout3", std::make_shared<Dropout>(o.dropout));
}

Tensor TransformerDecoderLayer::forward(const Tensor& target, const Tensor& memory, const AttentionMask& target_mask, const AttentionMask& memory_mask) {
  const auto own = [&](const Tensor& t) { return (*dropout1_)(self_attn_->forward(t, t, t, target_mask)); };
  const auto cross = [&](const Tensor& t) { return (*dropout2_)(multihead_attn_->forward(t, memory, memory, memory_mask)); };
  const auto feed_forward = [&](const Tensor& t) { return (*dropout3_)((*linear2_)((*dropout_)(activation_((*linear1_)(t))))); };
  Tensor y = target;
  if (norm_first_) {
    y = y + own((*norm1_)(y));
    y = y + cross((*norm2_)(y));
    return y + feed_forward((*norm3_)(y));
  }
  y = (*norm1_)(y + own(y));
  y = (*norm2_)(y + cross(y));
  return (*norm3_)(y + feed_forward(y));
}

TransformerEncoder::TransformerEncoder(int64_t dim, int64_t heads, int64_t layers, const TransformerOptions& o, bool final_norm) {
  layers_ = register_module("layers", std::make_shared<ModuleList<TransformerEncoderLayer>>());
  for (int64_t i = 0; i < layers; ++i) layers_->append(std::make_shared<TransformerEncoderLayer>(dim, heads, o));
  if (final_norm) norm_ = register_module("norm", norm_of(dim, o));
}
Tensor TransformerEncoder::forward(const Tensor& x, const AttentionMask& mask) {
  Tensor y = x;
  for (const auto& layer : *layers_) y = layer->forward(y, mask);
  return norm_ != nullptr ? (*norm_)(y) : y;
}

TransformerDecoder::TransformerDecoder(int64_t dim, int64_t heads, int64_t layers, const TransformerOptions& o, bool final_norm) {
  layers_ = register_module("layers", std::make_shared<ModuleList<TransformerDecoderLayer>>());
  for (int64_t i = 0; i < layers; ++i) layers_->append(std::make_shared<TransformerDecoderLayer>(dim, heads, o));
  if (final_norm) norm_ = register_module("norm", norm_of(dim, o));
}
Tensor TransformerDecoder::forward(const Tensor& target, const Tensor& memory, const AttentionMask& target_mask, const AttentionMask& memory_mask) {
  Tensor y = target;
  for (const auto& layer : *layers_) y = layer->forward(y, memory, target_mask, memory_mask);
  return norm_ != nullptr ? (*norm_)(y) : y;
}

Transformer::Transformer(int64_t dim, int64_t heads, int64_t encoder_layers, int64_t decoder_layers, const TransformerOptions& o) {
  encoder_ = register_module("encoder", std::make_shared<TransformerEncoder>(dim, heads, encoder_layers, o, true));
  decoder_ = register_module("decoder", std::make_shared<TransformerDecoder>(dim, heads, decoder_layers, o, true));
  for (Tensor t : parameters())
    if (t.rank() > 1) t.assign(init::xavier_uniform(t.shape()).array());
}
Tensor Transformer::forward(const Tensor& source, const Tensor& target, const AttentionMask& source_mask, const AttentionMask& target_mask,
                            const AttentionMask& memory_mask) {
  return decoder_->forward(target, encoder_->forward(source, source_mask), target_mask, memory_mask);
}

}  // namespace gf::nn
