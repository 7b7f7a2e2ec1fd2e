// BERT (Devlin et al. 2019) with the names of transformers' BertModel and BertForSequenceClassification.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct BertOptions {
  int64_t words = 30522, positions = 512, kinds = 2;          ///< sizes of the three tables; kinds: of sentences in a pair
  int64_t depth = 12, heads = 12, dim = 768, hidden = 3072;
  double dropout = 0.1;                                       ///< of the hidden states (not inside attention)
  double eps = 1e-12;
};
/// BERT-base-uncased by default. Word 0 pads: its row of the table begins with zeros and gets no gradient.
class Bert final : public nn::Module {
 public:
  struct Output {
    Tensor hidden;   ///< [N, L, dim]
    Tensor pooled;   ///< [N, dim]: tanh of a linear layer on the first position
  };

  explicit Bert(const BertOptions& options = {});
  /// words, kinds: int64 [N, L] (kinds empty: 0); mask: bool [N, L], true where a word may be read (empty: everywhere).
  Output run(const Tensor& words, const Tensor& kinds = {}, const Tensor& mask = {});
  /// The hidden states.
  Tensor forward(const Tensor& words) override { return run(words).hidden; }

 private:
  struct Embeddings;
  struct Encoder;
  struct Pooler;
  std::shared_ptr<Embeddings> embeddings_;
  std::shared_ptr<Encoder> encoder_;
  std::shared_ptr<Pooler> pooler_;
};

/// Scores of classes from the pooled output: "bert", "classifier".
class BertClassifier final : public nn::Module {
 public:
  BertClassifier(const BertOptions& options, int64_t classes);
  Tensor run(const Tensor& words, const Tensor& kinds = {}, const Tensor& mask = {});
  Tensor forward(const Tensor& words) override { return run(words); }

 private:
  std::shared_ptr<Bert> bert_;
  ModulePtr dropout_, classifier_;
};

}  // namespace gf::models
