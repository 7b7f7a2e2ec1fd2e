#include "trainer/models/recurrent_lm.h"

#include "trainer/nn/recurrent.h"

namespace gf::models {

RecurrentLm::RecurrentLm(const RecurrentLmOptions& o) {
  const nn::RecurrentOptions options{.layers = o.layers, .dropout = o.dropout};
  drop_ = register_module("drop", std::make_shared<nn::Dropout>(o.dropout));
  drop_out_ = register_module("drop_out", std::make_shared<nn::Dropout>(o.dropout));
  encoder_ = register_module("encoder", normal_embedding(o.words, o.dim, 0.1));
  if (o.gru) rnn_ = register_module("rnn", std::make_shared<nn::GRU>(o.dim, o.hidden, options));
  else rnn_ = register_module("rnn", std::make_shared<nn::LSTM>(o.dim, o.hidden, options));
  decoder_ = register_module("decoder", normal_linear(o.hidden, o.words, true, 0.1));
}
Tensor RecurrentLm::forward(const Tensor& words) { return (*decoder_)((*drop_out_)((*rnn_)((*drop_)((*encoder_)(words))))); }

}  // namespace gf::models
