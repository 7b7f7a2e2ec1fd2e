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
  Tensor forward(const Tensor& x) override {
    const std::vector<Tensor> parts = split((*c_attn)(x), {dim, dim, dim}, 2);
    const Tensor y = nn::scaled_dot_product_attention(split_heads(parts[0], heads), split_heads(parts[1], heads), split_heads(parts[2], heads), {}, true);
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
  Tensor forward(const Tensor& x) override {
    const Tensor y = x + (*attn)((*ln_1)(x));
    return y + (*mlp)((*ln_2)(y));
  }
  ModulePtr ln_1, attn, ln_2, mlp;
};

}  // namespace

struct Gpt2::Transformer final : nn::Module {
  explicit Transformer(const Gpt2Options& o) {
    wte = register_module("wte", normal_embedding(o.words, o.dim));
    wpe = register_module("wpe", normal_embedding(o.positions, o.dim));
    drop = register_module("drop", std::make_shared<nn::Dropout>(o.dropout));
    h = register_module("h", std::make_shared<nn::Sequential>());
    for (int64_t i = 0; i < o.depth; ++i) h->append(std::make_shared<Block>(o));
    ln_f = register_module("ln_f", std::make_shared<LayerNorm>(Shape64{o.dim}));
  }
  Tensor forward(const Tensor& x) override { return (*ln_f)((*h)((*drop)((*wte)(x) + positions("Gpt2", wpe->weight, x)))); }
  std::shared_ptr<nn::Embedding> wte, wpe;
  ModulePtr drop, ln_f;
  std::shared_ptr<nn::Sequential> h;
};

Gpt2::Gpt2(const Gpt2Options& o) {
  check_heads("Gpt2", o.dim, o.heads);
  transformer_ = register_module("transformer", std::make_shared<Transformer>(o));
}
Tensor Gpt2::forward(const Tensor& words) { return nn::linear((*transformer_)(words), transformer_->wte->weight); }

}  // namespace gf::models
