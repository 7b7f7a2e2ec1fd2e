#include "trainer/models/llama.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops/rotary_embedding.h"

namespace gf::models {
namespace {

using nn::RMSNorm;

// Cosines and sines of position * theta^(-2 j / dim): [1, length, dim / 2].
struct Angles {
  Tensor cos, sin;
};
Angles angles(int64_t length, int64_t dim, double theta) {
  std::vector<float> c, s;
  for (int64_t at = 0; at < length; ++at)
    for (int64_t j = 0; j < dim / 2; ++j) {
      const double angle = static_cast<double>(at) * std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(dim));
      c.push_back(static_cast<float>(std::cos(angle)));
      s.push_back(static_cast<float>(std::sin(angle)));
    }
  return {Tensor::from(c, {1, length, dim / 2}), Tensor::from(s, {1, length, dim / 2})};
}

struct Attention final : nn::Module {
  explicit Attention(const LlamaOptions& o) : heads(o.heads), kv_heads(o.kv_heads) {
    const int64_t kv = o.dim / o.heads * o.kv_heads;
    q_proj = register_module("q_proj", normal_linear(o.dim, o.dim, false));
    k_proj = register_module("k_proj", normal_linear(o.dim, kv, false));
    v_proj = register_module("v_proj", normal_linear(o.dim, kv, false));
    o_proj = register_module("o_proj", normal_linear(o.dim, o.dim, false));
  }
  Tensor forward(const Tensor& x) override { return attend(x, {}); }
  Tensor attend(const Tensor& x, const Angles& at) {
    const auto turned = [&](const Tensor& t) {
      if (!at.cos) return t;
      const Shape64 shape = {t.size(0), at.cos.size(1), at.cos.size(2)};
      return apply<op::RotaryEmbedding>({t, expand(at.cos, shape), expand(at.sin, shape)});
    };
    const Tensor q = turned(split_heads((*q_proj)(x), heads)), k = turned(split_heads((*k_proj)(x), kv_heads));
    return (*o_proj)(merge_heads(nn::scaled_dot_product_attention(q, k, split_heads((*v_proj)(x), kv_heads), {}, true)));
  }
  int64_t heads, kv_heads;
  ModulePtr q_proj, k_proj, v_proj, o_proj;
};

struct FeedForward final : nn::Module {
  explicit FeedForward(const LlamaOptions& o) {
    gate_proj = register_module("gate_proj", normal_linear(o.dim, o.hidden, false));
    up_proj = register_module("up_proj", normal_linear(o.dim, o.hidden, false));
    down_proj = register_module("down_proj", normal_linear(o.hidden, o.dim, false));
  }
  Tensor forward(const Tensor& x) override { return (*down_proj)(silu((*gate_proj)(x)) * (*up_proj)(x)); }
  ModulePtr gate_proj, up_proj, down_proj;
};

struct Layer final : nn::Module {
  explicit Layer(const LlamaOptions& o) {
    self_attn = register_module("self_attn", std::make_shared<Attention>(o));
    mlp = register_module("mlp", std::make_shared<FeedForward>(o));
    input_norm = register_module("input_layernorm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
    post_norm = register_module("post_attention_layernorm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
  }
  Tensor forward(const Tensor& x) override { return attend(x, {}); }
  Tensor attend(const Tensor& x, const Angles& at) {
    const Tensor y = x + self_attn->attend((*input_norm)(x), at);
    return y + (*mlp)((*post_norm)(y));
  }
  std::shared_ptr<Attention> self_attn;
  ModulePtr mlp, input_norm, post_norm;
};

struct Layers final : nn::Module {
  explicit Layers(const LlamaOptions& o) {
    for (int64_t i = 0; i < o.depth; ++i) all.push_back(register_module(std::to_string(i), std::make_shared<Layer>(o)));
  }
  Tensor forward(const Tensor& x) override { return attend(x, {}); }
  Tensor attend(const Tensor& x, const Angles& at) {
    Tensor y = x;
    for (const auto& layer : all) y = layer->attend(y, at);
    return y;
  }
  std::vector<std::shared_ptr<Layer>> all;
};

}  // namespace

struct Llama::Decoder final : nn::Module {
  explicit Decoder(const LlamaOptions& o) : head_dim(o.dim / o.heads), theta(o.theta) {
    embed_tokens = register_module("embed_tokens", normal_embedding(o.words, o.dim));
    layers = register_module("layers", std::make_shared<Layers>(o));
    norm = register_module("norm", std::make_shared<RMSNorm>(Shape64{o.dim}, o.eps));
  }
  Tensor forward(const Tensor& x) override {
    if (x.rank() != 2) throw Exception(Error::ShapeMismatch, "Llama: tokens " + io::shape_text(x.shape()) + "; [batch, length] is needed");
    return (*norm)(layers->attend((*embed_tokens)(x), angles(x.size(1), head_dim, theta)));
  }
  int64_t head_dim;
  double theta;
  ModulePtr embed_tokens, norm;
  std::shared_ptr<Layers> layers;
};

Llama::Llama(const LlamaOptions& o) {
  check_heads("Llama", o.dim, o.heads);
  check_heads("Llama, keys", o.heads, o.kv_heads);
  model_ = register_module("model", std::make_shared<Decoder>(o));
  lm_head_ = register_module("lm_head", normal_linear(o.dim, o.words, false));
}
Tensor Llama::forward(const Tensor& words) { return (*lm_head_)((*model_)(words)); }

}  // namespace gf::models
