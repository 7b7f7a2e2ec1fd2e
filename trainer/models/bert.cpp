#include "trainer/models/bert.h"

#include "runtime/core/exception.h"

namespace gf::models {
namespace {

using nn::LayerNorm;

ModulePtr layer_norm_of(const BertOptions& o) { return std::make_shared<LayerNorm>(Shape64{o.dim}, o.eps); }

// dense, dropout, and layer norm of the sum with what came before.
struct Joined final : nn::Module {
  Joined(const BertOptions& o, int64_t in) {
    dense = register_module("dense", normal_linear(in, o.dim));
    norm = register_module("LayerNorm", layer_norm_of(o));
    dropout = register_module("dropout", std::make_shared<nn::Dropout>(o.dropout));
  }
  Tensor join(const Tensor& x, const Tensor& before) { return (*norm)((*dropout)((*dense)(x)) + before); }
  ModulePtr dense, norm, dropout;
};

struct Heads final : nn::Module {
  explicit Heads(const BertOptions& o) : heads(o.heads) {
    query = register_module("query", normal_linear(o.dim, o.dim));
    key = register_module("key", normal_linear(o.dim, o.dim));
    value = register_module("value", normal_linear(o.dim, o.dim));
  }
  Tensor attend(const Tensor& x, const Tensor& mask) {
    const auto part = [&](const ModulePtr& m) { return split_heads((*m)(x), heads); };
    return merge_heads(nn::scaled_dot_product_attention(part(query), part(key), part(value), mask));
  }
  int64_t heads;
  ModulePtr query, key, value;
};

struct SelfAttention final : nn::Module {
  explicit SelfAttention(const BertOptions& o) {
    self = register_module("self", std::make_shared<Heads>(o));
    output = register_module("output", std::make_shared<Joined>(o, o.dim));
  }
  Tensor attend(const Tensor& x, const Tensor& mask) { return output->join(self->attend(x, mask), x); }
  std::shared_ptr<Heads> self;
  std::shared_ptr<Joined> output;
};

struct Intermediate final : nn::Module {
  explicit Intermediate(const BertOptions& o) { dense = register_module("dense", normal_linear(o.dim, o.hidden)); }
  Tensor forward(const Tensor& x) override { return gelu((*dense)(x)); }
  ModulePtr dense;
};

struct Layer final : nn::Module {
  explicit Layer(const BertOptions& o) {
    attention = register_module("attention", std::make_shared<SelfAttention>(o));
    intermediate = register_module("intermediate", std::make_shared<Intermediate>(o));
    output = register_module("output", std::make_shared<Joined>(o, o.hidden));
  }
  Tensor attend(const Tensor& x, const Tensor& mask) {
    const Tensor y = attention->attend(x, mask);
    return output->join((*intermediate)(y), y);
  }
  std::shared_ptr<SelfAttention> attention;
  ModulePtr intermediate;
  std::shared_ptr<Joined> output;
};

}  // namespace

struct Bert::Embeddings final : nn::Module {
  explicit Embeddings(const BertOptions& o) {
    words = register_module("word_embeddings", normal_embedding(o.words, o.dim, 0.02, 0));
    places = register_module("position_embeddings", normal_embedding(o.positions, o.dim));
    kinds = register_module("token_type_embeddings", normal_embedding(o.kinds, o.dim));
    norm = register_module("LayerNorm", layer_norm_of(o));
    dropout = register_module("dropout", std::make_shared<nn::Dropout>(o.dropout));
  }
  Tensor embed(const Tensor& x, const Tensor& kind) {
    const Tensor by_kind = kind ? (*kinds)(kind) : narrow(kinds->weight, 0, 0, 1);
    const Tensor by_word = is_training() ? (*words)(x) : embedding(x, words->weight);  // the same, without the mask of gradients
    return (*dropout)((*norm)(by_word + by_kind + positions("Bert", places->weight, x)));
  }
  std::shared_ptr<nn::Embedding> words, places, kinds;
  ModulePtr norm, dropout;
};

struct Bert::Encoder final : nn::Module {
  explicit Encoder(const BertOptions& o) {
    layer = register_module("layer", std::make_shared<nn::ModuleList<Layer>>());
    for (int64_t i = 0; i < o.depth; ++i) layer->append(std::make_shared<Layer>(o));
  }
  Tensor attend(const Tensor& x, const Tensor& mask) {
    Tensor y = x;
    for (const auto& one : *layer) y = one->attend(y, mask);
    return y;
  }
  std::shared_ptr<nn::ModuleList<Layer>> layer;
};

struct Bert::Pooler final : nn::Module {
  explicit Pooler(const BertOptions& o) { dense = register_module("dense", normal_linear(o.dim, o.dim)); }
  Tensor forward(const Tensor& x) override { return tanh((*dense)(squeeze(narrow(x, 1, 0, 1), 1))); }
  ModulePtr dense;
};

Bert::Bert(const BertOptions& o) {
  check_heads("Bert", o.dim, o.heads);
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o));
  encoder_ = register_module("encoder", std::make_shared<Encoder>(o));
  pooler_ = register_module("pooler", std::make_shared<Pooler>(o));
}

Bert::Output Bert::run(const Tensor& words, const Tensor& kinds, const Tensor& mask) {
  if (mask && (mask.dtype() != DType::Bool || mask.shape() != words.shape()))
    throw Exception(Error::InvalidArgument, "Bert: the mask is " + std::string(dtype_name(mask.dtype())) + " " + io::shape_text(mask.shape()) + "; bool " +
                                                io::shape_text(words.shape()) + " is needed");
  const Tensor readable = mask ? reshape(mask, {mask.size(0), 1, 1, mask.size(1)}) : Tensor();
  const Tensor hidden = encoder_->attend(embeddings_->embed(words, kinds), readable);
  return {hidden, (*pooler_)(hidden)};
}

BertClassifier::BertClassifier(const BertOptions& options, int64_t classes) {
  bert_ = register_module("bert", std::make_shared<Bert>(options));
  dropout_ = register_module("dropout", std::make_shared<nn::Dropout>(options.dropout));
  classifier_ = register_module("classifier", normal_linear(options.dim, classes));
}
Tensor BertClassifier::run(const Tensor& words, const Tensor& kinds, const Tensor& mask) {
  return (*classifier_)((*dropout_)(bert_->run(words, kinds, mask).pooled));
}

}  // namespace gf::models
