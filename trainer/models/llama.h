// LLaMA (Touvron et al. 2023) with the names of transformers' LlamaForCausalLM: RMS norm, rotary positions (Su et al. 2021), SwiGLU
// (Shazeer 2020), grouped queries (Ainslie et al. 2023).
#pragma once

#include "trainer/models/blocks.h"
#include "trainer/nn/cache.h"

namespace gf::models {

struct LlamaOptions {
  int64_t words = 32000;
  int64_t depth = 22, heads = 32, kv_heads = 4, dim = 2048, hidden = 5632;
  double eps = 1e-5;
  double theta = 10000;   ///< base of the rotary angles
};
/// TinyLlama-1.1B by default. Words, int64 [N, L], to scores of the next one [N, L, words].
class Llama final : public nn::Module {
 public:
  explicit Llama(const LlamaOptions& options = {});
  Tensor forward(const Tensor& words) override;
  /// The same of the next words, behind those that went through `cache` before; evaluation mode only. Throws as nn::KeyValueCache.
  Tensor forward(const Tensor& words, nn::KeyValueCache& cache);
  std::shared_ptr<nn::KeyValueCache> make_cache(int64_t batch, int64_t capacity) const;

 private:
  LlamaOptions options_;
  struct Decoder;
  std::shared_ptr<Decoder> model_;
  ModulePtr lm_head_;
};

}  // namespace gf::models
