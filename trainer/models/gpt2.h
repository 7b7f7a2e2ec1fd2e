// GPT-2 (Radford et al. 2019) with the names of transformers' GPT2LMHeadModel; the output layer is the table of words.
#pragma once

#include "trainer/models/blocks.h"
#include "trainer/nn/cache.h"

namespace gf::models {

struct Gpt2Options {
  int64_t words = 50257, positions = 1024;
  int64_t depth = 12, heads = 12, dim = 768;
  double dropout = 0.1;   ///< of embeddings and of what is added to the hidden states (not inside attention)
};
/// GPT-2 small by default. Words, int64 [N, L], to scores of the next one [N, L, words].
class Gpt2 final : public nn::Module {
 public:
  explicit Gpt2(const Gpt2Options& options = {});
  Tensor forward(const Tensor& words) override;
  /// The same of the next words, behind those that went through `cache` before; evaluation mode only. Throws as nn::KeyValueCache.
  Tensor forward(const Tensor& words, nn::KeyValueCache& cache);
  std::shared_ptr<nn::KeyValueCache> make_cache(int64_t batch, int64_t capacity) const;

 private:
  Gpt2Options options_;
  struct Transformer;
  std::shared_ptr<Transformer> transformer_;
};

}  // namespace gf::models
