#include "trainer/models/gpt2.h"

#include <cmath>

#include "trainer/nn/init.h"

namespace gf::models {
namespace {

using nn::LayerNorm;

// x weight + bias, the weight being [in, out] as in GPT-2's files.
struct Product final : nn::Module {
  Product(int64_t in, int64_t out, double deviation = 0.02) {
    weight = register_parameter("weight", nn::init::normal({in, out}, 0, deviation));
    bias = register_parameter("bias", Tensor::zeros({out}));
  }
  Tensor forward(const Tensor& x) override { return matmul(x, weight) + bias; }
  Tensor weight, bias;
};

// Weights behind which the hidden states add up are smaller by the root of how many there are.
double residual_deviation(const Gpt2Options& o) { return 0.02 / std::sqrt(2.0 * static_cast<double>(o.depth)); }

struct Attention final : nn::Module {
  explicit Attention(const Gpt2Options& o) : heads(o.heads), dim(o.dim) {
    c_attn = register_module("c_attn", std::make_shared<Product>(dim, 3 * dim));
    c_proj = register_module("c_proj", std::make_shared<Product>(dim, dim, residual_deviation(o)));
    dropout = register_module("resid_dropout", std::make_shared<nn::Dropout>(o.dropout));
  }
  Tensor forward(const Tensor& x) override { return attend(x, nullptr, 0); }
  Tensor attend(const Tensor& x, nn::KeyValueCache* cache, int64_t layer) {
    const std::vector<Tensor> parts = split((*c_attn)(x), {dim, dim, dim}, 2);
    const Tensor q = split_heads(parts[0], heads), k = split_heads(parts[1], heads), v = split_heads(parts[2], heads);
    const Tensor y = cache != nullptr ? cache->attend(layer, q, k, v) : nn::scaled_dot_product_attention(q, k, v, {}, true);
    return (*dropout)((*c_proj)(merge_heads(y)));
  }
  int64_t heads, dim;
  ModulePtr c_attn, c_proj, dropout;
};

struct FeedForward final : nn::Module {
  explicit FeedForward(const Gpt2Options& o) {
    c_fc = register_module("c_fc", std::make_shared<Product>(o.dim, 4 * o.dim));
    c_proj = register_module("c_proj", std::make_shared<Product>(4 * o.dim, o.dim, residual_deviation(o)));
    dropout = register_module("dropout", std::make_shared<nn::Dropout>(o.dropout));
  }
  Tensor forward(const Tensor& x) override { return (*dropout)((*c_proj)(gelu((*c_fc)(x), true))); }
  ModulePtr c_fc, c_proj, dropout;
};

struct Block final : nn::Module {
  explicit Block(const Gpt2Options& o) {
    ln_1 = register_module("ln_1", std::make_shared<LayerNorm>(Shape64{o.dim}));
    attn = register_module("attn", std::make_shared<Attention>(o));
    ln_2 = register_module("ln_2", std::make_shared<LayerNorm>(Shape64{o.dim}));
    mlp = register_module("mlp", std::make_shared<FeedForward>(o));
  }
  Tensor forward(const Tensor& x) override { return attend(x, nullptr, 0); }
  Tensor attend(const Tensor& x, nn::KeyValueCache* cache, int64_t layer) {
    const Tensor y = x + attn->attend((*ln_1)(x), cache, layer);
    return y + (*mlp)((*ln_2)(y));
  }
  std::shared_ptr<Attention> attn;
  ModulePtr ln_1, ln_2, mlp;
};

}  // namespace

struct Gpt2::Transformer final : nn::Module {
  explicit Transformer(const Gpt2Options& o) {
    wte = register_module("wte", normal_embedding(o.words, o.dim));
    wpe = register_module("wpe", normal_embedding(o.positions, o.dim));
    drop = register_module("drop", std::make_shared<nn::Dropout>(o.dropout));
    h = register_module("h", std::make_shared<nn::ModuleList<Block>>());
    for (int64_t i = 0; i < o.depth; ++i) h->append(std::make_shared<Block>(o));
    ln_f = register_module("ln_f", std::make_shared<LayerNorm>(Shape64{o.dim}));
  }
  Tensor forward(const Tensor& x) override { return run(x, nullptr); }
  Tensor run(const Tensor& x, nn::KeyValueCache* cache) {
    const Tensor places = cache != nullptr ? (*wpe)(cache->positions(x.size(1))) : positions("Gpt2", wpe->weight, x);
    Tensor y = (*drop)((*wte)(x) + places);
    int64_t layer = 0;
    for (const auto& block : *h) y = block->attend(y, cache, layer++);
    return (*ln_f)(y);
  }
  std::shared_ptr<nn::Embedding> wte, wpe;
  ModulePtr drop, ln_f;
  std::shared_ptr<nn::ModuleList<Block>> h;
};

Gpt2::Gpt2(const Gpt2Options& o) : options_(o) {
  check_heads("Gpt2", o.dim, o.heads);
  transformer_ = register_module("transformer", std::make_shared<Transformer>(o));
}
Tensor Gpt2::forward(const Tensor& words) { return nn::linear((*transformer_)(words), transformer_->wte->weight); }
Tensor Gpt2::forward(const Tensor& words, nn::KeyValueCache& cache) {
  nn::check_cached("Gpt2", is_training());
  const Tensor y = nn::linear(transformer_->run(words, &cache), transformer_->wte->weight);
  cache.advance(words.size(1));
  return y;
}
std::shared_ptr<nn::KeyValueCache> Gpt2::make_cache(int64_t batch, int64_t capacity) const {
  return std::make_shared<nn::KeyValueCache>(nn::CacheOptions{options_.depth, batch, capacity, options_.heads, options_.dim / options_.heads});
}

}  // namespace gf::models
