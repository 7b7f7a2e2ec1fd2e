// LLaMA (Touvron et al. 2023) with the names of transformers' LlamaForCausalLM: RMS norm, rotary positions (Su et al. 2021), SwiGLU
// (Shazeer 2020), grouped queries (Ainslie et al. 2023).
#pragma once

#include "trainer/models/blocks.h"

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

 private:
  struct Decoder;
  std::shared_ptr<Decoder> model_;
  ModulePtr lm_head_;
};

}  // namespace gf::models
