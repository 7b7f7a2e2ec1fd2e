// Recurrent language model with the names of PyTorch's word language model example, batch first.
#pragma once

#include "trainer/models/blocks.h"

namespace gf::models {

struct RecurrentLmOptions {
  bool gru = false;                                            ///< GRU instead of LSTM
  int64_t words = 33278, dim = 200, hidden = 200, layers = 2;  ///< words: of WikiText-2
  double dropout = 0.2;                                        ///< of embeddings, between layers, and of the output
};
/// Words, int64 [N, L], to scores of the next one [N, L, words]: encoder, rnn, decoder.
class RecurrentLm final : public nn::Module {
 public:
  explicit RecurrentLm(const RecurrentLmOptions& options = {});
  Tensor forward(const Tensor& words) override;

 private:
  ModulePtr encoder_, rnn_, decoder_, drop_, drop_out_;
};

}  // namespace gf::models
