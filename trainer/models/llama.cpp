#include "trainer/models/llama.h"

#include "runtime/core/exception.h"
#include "trainer/nn/blocks.h"
#include "trainer/nn/init.h"
#include "trainer/nn/positions.h"

namespace gf::models {
namespace {

using nn::RMSNorm;
using nn::RotaryTables;

struct Attention final : nn::Module {
  explicit Attention(const LlamaOptions& o) : heads(o.heads), kv_heads(o.kv_heads) {
    const int64_t kv = o.dim / o.heads * o.kv_heads;
    q_proj = register_module("q_proj", normal_linear(o.dim, o.dim, false));
    k_proj = register_module("k_proj", normal_linear(o.dim, kv, false));
    v_proj = register_module("v_proj", normal_linear(o.dim, kv, false));
    o_proj = register_module("o_proj", normal_linear(o.dim, o.dim, false));
  }
  Tensor attend(const Tensor& x, const RotaryTables& at) {
    const Tensor q = nn::rotary(split_heads((*q_proj)(x), heads), at), k = nn::rotary(split_heads((*k_proj)(x), kv_heads), at);
    return (*o_proj)(merge_heads(nn::scaled_dot_product_attention(q, k, split_heads((*v_proj)(x), kv_heads), {}, true)));
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
  Tensor attend(const Tensor& x, const RotaryTables& at) {
    const Tensor y = x + self_attn->attend((*input_norm)(x), at);
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
  Tensor forward(const Tensor& x) override {
    if (x.rank() != 2) throw Exception(Error::ShapeMismatch, "Llama: tokens " + io::shape_text(x.shape()) + "; [batch, length] is needed");
    const RotaryTables at = nn::rotary_tables(x.size(1), head_dim, theta);
    Tensor y = (*embed_tokens)(x);
    for (const auto& layer : *layers) y = layer->attend(y, at);
    return (*norm)(y);
  }
  int64_t head_dim;
  double theta;
  ModulePtr embed_tokens, norm;
  std::shared_ptr<nn::ModuleList<Layer>> layers;
};

Llama::Llama(const LlamaOptions& o) {
  check_heads("Llama", o.dim, o.heads);
  check_heads("Llama, keys", o.heads, o.kv_heads);
  model_ = register_module("model", std::make_shared<Decoder>(o));
  lm_head_ = register_module("lm_head", normal_linear(o.dim, o.words, false));
}
Tensor Llama::forward(const Tensor& words) { return (*lm_head_)((*model_)(words)); }

}  // namespace gf::models
