#include "trainer/models/llama.h"

#include "runtime/core/exception.h"
#include "trainer/nn/blocks.h"
#include "trainer/nn/init.h"
#include "trainer/nn/positions.h"

namespace gf::models {
namespace {

using nn::RMSNorm;
using nn::RotaryTables;

/// Where the words stand: from 0 on, or behind what a cache keeps.
struct Places {
  RotaryTables tables;
  Tensor positions = {};
  nn::KeyValueCache* cache = nullptr;
};

struct Attention final : nn::Module {
  explicit Attention(const LlamaOptions& o) : heads(o.heads), kv_heads(o.kv_heads) {
    const int64_t kv = o.dim / o.heads * o.kv_heads;
    q_proj = register_module("q_proj", normal_linear(o.dim, o.dim, false));
    k_proj = register_module("k_proj", normal_linear(o.dim, kv, false));
    v_proj = register_module("v_proj", normal_linear(o.dim, kv, false));
    o_proj = register_module("o_proj", normal_linear(o.dim, o.dim, false));
  }
  Tensor attend(const Tensor& x, const Places& at, int64_t layer) {
    const auto turned = [&](const Tensor& t) { return nn::rotary(t, at.tables, at.positions); };
    const Tensor q = turned(split_heads((*q_proj)(x), heads)), k = turned(split_heads((*k_proj)(x), kv_heads)), v = split_heads((*v_proj)(x), kv_heads);
    return (*o_proj)(merge_heads(at.cache != nullptr ? at.cache->attend(layer, q, k, v) : nn::scaled_dot_product_attention(q, k, v, {}, true)));
  }
  int64_t heads, kv_heads;
  ModulePtr q_proj, k_proj, v_proj, o_proj;
};

std::shared_ptr<nn::SwiGLU> feed_forward(const LlamaOptions& o) {
  auto block = undrawn<nn::SwiGLU>(o.dim, o.hidden);
  draw_normal(*block, 0.02);
  return block;
}

struct Layer final : nn::Module {
  explicit Layer(const LlamaOptions& o) {
    self_attn = register_module("self_attn", std::make_shared<Attention>(o));
    mlp = register_module("mlp", feed_forward(o));
    input_norm = register_module("input_layernorm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
    post_norm = register_module("post_attention_layernorm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
  }
  Tensor attend(const Tensor& x, const Places& at, int64_t layer) {
    const Tensor y = x + self_attn->attend((*input_norm)(x), at, layer);
    return y + (*mlp)((*post_norm)(y));
  }
  std::shared_ptr<Attention> self_attn;
  ModulePtr mlp, input_norm, post_norm;
};

}  // namespace

struct Llama::Decoder final : nn::Module {
  explicit Decoder(const LlamaOptions& o) : head_dim(o.dim / o.heads), theta(o.theta) {
    embed_tokens = register_module("embed_tokens", normal_embedding(o.words, o.dim));
    layers = register_module("layers", std::make_shared<nn::ModuleList<Layer>>());
    for (int64_t i = 0; i < o.depth; ++i) layers->append(std::make_shared<Layer>(o));
    norm = register_module("norm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
  }
  Tensor forward(const Tensor& x) override { return run(x, nullptr); }
  Tensor run(const Tensor& x, nn::KeyValueCache* cache) {
    if (x.rank() != 2) throw Exception(Error::ShapeMismatch, "Llama: tokens " + io::shape_text(x.shape()) + "; [batch, length] is needed");
    Places at{cache != nullptr ? tables_of(*cache) : nn::rotary_tables(x.size(1), head_dim, theta), {}, cache};
    if (cache != nullptr) at.positions = cache->positions(x.size(1));
    Tensor y = (*embed_tokens)(x);
    int64_t number = 0;
    for (const auto& layer : *layers) y = layer->attend(y, at, number++);
    return (*norm)(y);
  }
  // Made once, not for every token.
  const RotaryTables& tables_of(const nn::KeyValueCache& cache) {
    const int64_t length = cache.options().capacity;
    if (!kept_tables.cos || kept_tables.cos.size(0) != length) kept_tables = nn::rotary_tables(length, head_dim, theta);
    return kept_tables;
  }
  int64_t head_dim;
  double theta;
  RotaryTables kept_tables;
  ModulePtr embed_tokens, norm;
  std::shared_ptr<nn::ModuleList<Layer>> layers;
};

Llama::Llama(const LlamaOptions& o) : options_(o) {
  check_heads("Llama", o.dim, o.heads);
  check_heads("Llama, keys", o.heads, o.kv_heads);
  model_ = register_module("model", std::make_shared<Decoder>(o));
  lm_head_ = register_module("lm_head", normal_linear(o.dim, o.words, false));
}
Tensor Llama::forward(const Tensor& words) { return (*lm_head_)((*model_)(words)); }
Tensor Llama::forward(const Tensor& words, nn::KeyValueCache& cache) {
  nn::check_cached("Llama", is_training());
  const Tensor y = (*lm_head_)(model_->run(words, &cache));
  cache.advance(words.size(1));
  return y;
}
std::shared_ptr<nn::KeyValueCache> Llama::make_cache(int64_t batch, int64_t capacity) const {
  return std::make_shared<nn::KeyValueCache>(nn::CacheOptions{options_.depth, batch, capacity, options_.kv_heads, options_.dim / options_.heads});
}

}  // namespace gf::models
