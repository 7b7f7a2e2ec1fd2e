// Attention with several heads and the transformer of Vaswani et al. 2017, with PyTorch's parameters, names, meanings and first values
// (torch.nn 2.13, batch_first). Throws gf::Exception with the module's name: InvalidArgument (heads), ShapeMismatch.
#pragma once

#include "trainer/nn/cache.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/dropout.h"
#include "trainer/nn/functional.h"
#include "trainer/nn/layers.h"

namespace gf::nn {

/// What attention may not read. As in PyTorch's modules true forbids, and floats are added to the scores.
struct AttentionMask {
  Tensor attn = {};          ///< [queries, keys], or [batch * heads, queries, keys]
  Tensor key_padding = {};   ///< [batch, keys]: bool, or floats that are added
  bool is_causal = false;    ///< query i reads keys up to i
};

struct MultiheadAttentionOptions {
  double dropout = 0;        ///< of the weights, in training
  bool bias = true;
  int64_t kdim = 0, vdim = 0;  ///< widths of key and value; 0: dim
};
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(int64_t dim, int64_t heads, const MultiheadAttentionOptions& options = {});
  /// Of x over itself.
  Tensor forward(const Tensor& x) override { return forward(x, x, x); }
  /// [batch, queries, dim], [batch, keys, kdim], [batch, keys, vdim] to [batch, queries, dim].
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMask& mask = {});
  /// Of x [batch, length, dim] over itself and what the cache keeps of the tokens before, causal. Evaluation mode only. Who has run all layers
  /// calls cache.advance(length). Throws InvalidArgument, and as KeyValueCache::attend().
  Tensor forward(const Tensor& x, KeyValueCache& cache, int64_t layer);
  Tensor in_proj_weight, in_proj_bias;                      ///< [3 dim, dim], [3 dim]: query, key, value
  Tensor q_proj_weight, k_proj_weight, v_proj_weight;       ///< in place of in_proj_weight where kdim or vdim is not dim

 private:
  /// Query, key or value of x by heads; all three at once where they are made of one tensor.
  Tensor project(const Tensor& x, size_t which) const;
  std::vector<Tensor> project_all(const Tensor& x) const;
  Tensor by_heads(const Tensor& x) const;
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool is_causal);

  int64_t dim_, heads_;
  std::shared_ptr<Linear> out_proj_;
  std::shared_ptr<Dropout> dropout_;   ///< null without
};

/// Attention of x over itself, causal when wanted, with the parameters of MultiheadAttention.
class SelfAttention final : public MultiheadAttention {
 public:
  SelfAttention(int64_t dim, int64_t heads, bool causal = false, bool bias = true)
      : MultiheadAttention(dim, heads, {.bias = bias}), causal_(causal) {}
  using MultiheadAttention::forward;
  Tensor forward(const Tensor& x) override { return forward(x, x, x, {.is_causal = causal_}); }

 private:
  bool causal_;
};

struct TransformerOptions {
  int64_t feed_forward = 2048;
  double dropout = 0.1;
  Tensor (*activation)(const Tensor&) = relu;
  double eps = 1e-5;         ///< of the layer norms
  bool norm_first = false;
  bool bias = true;
};

/// self_attn, linear1, linear2, norm1, norm2.
class TransformerEncoderLayer final : public Module {
 public:
  TransformerEncoderLayer(int64_t dim, int64_t heads, const TransformerOptions& options = {});
  Tensor forward(const Tensor& x) override { return forward(x, AttentionMask{}); }
  Tensor forward(const Tensor& x, const AttentionMask& mask);

 private:
  bool norm_first_;
  Tensor (*activation_)(const Tensor&);
  std::shared_ptr<MultiheadAttention> self_attn_;
  std::shared_ptr<Linear> linear1_, linear2_;
  std::shared_ptr<Dropout> dropout_, dropout1_, dropout2_;
  std::shared_ptr<LayerNorm> norm1_, norm2_;
};

/// self_attn, multihead_attn (over the encoder's output), linear1, linear2, norm1, norm2, norm3.
class TransformerDecoderLayer final : public Module {
 public:
  TransformerDecoderLayer(int64_t dim, int64_t heads, const TransformerOptions& options = {});
  using Module::forward;
  Tensor forward(const Tensor& target, const Tensor& memory, const AttentionMask& target_mask = {}, const AttentionMask& memory_mask = {});

 private:
  bool norm_first_;
  Tensor (*activation_)(const Tensor&);
  std::shared_ptr<MultiheadAttention> self_attn_, multihead_attn_;
  std::shared_ptr<Linear> linear1_, linear2_;
  std::shared_ptr<Dropout> dropout_, dropout1_, dropout2_, dropout3_;
  std::shared_ptr<LayerNorm> norm1_, norm2_, norm3_;
};

/// layers.0, layers.1, ... and, when wanted, norm at the end.
class TransformerEncoder final : public Module {
 public:
  TransformerEncoder(int64_t dim, int64_t heads, int64_t layers, const TransformerOptions& options = {}, bool final_norm = false);
  Tensor forward(const Tensor& x) override { return forward(x, AttentionMask{}); }
  Tensor forward(const Tensor& x, const AttentionMask& mask);

 private:
  std::shared_ptr<ModuleList<TransformerEncoderLayer>> layers_;
  std::shared_ptr<LayerNorm> norm_;
};
class TransformerDecoder final : public Module {
 public:
  TransformerDecoder(int64_t dim, int64_t heads, int64_t layers, const TransformerOptions& options = {}, bool final_norm = false);
  using Module::forward;
  Tensor forward(const Tensor& target, const Tensor& memory, const AttentionMask& target_mask = {}, const AttentionMask& memory_mask = {});

 private:
  std::shared_ptr<ModuleList<TransformerDecoderLayer>> layers_;
  std::shared_ptr<LayerNorm> norm_;
};

/// encoder and decoder, both with a norm at the end.
class Transformer final : public Module {
 public:
  Transformer(int64_t dim = 512, int64_t heads = 8, int64_t encoder_layers = 6, int64_t decoder_layers = 6, const TransformerOptions& options = {});
  using Module::forward;
  Tensor forward(const Tensor& source, const Tensor& target, const AttentionMask& source_mask = {}, const AttentionMask& target_mask = {},
                 const AttentionMask& memory_mask = {});

 private:
  std::shared_ptr<TransformerEncoder> encoder_;
  std::shared_ptr<TransformerDecoder> decoder_;
};

}  // namespace gf::nn
