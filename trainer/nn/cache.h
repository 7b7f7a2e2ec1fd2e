// KeyValueCache: what attention keeps of the positions before, so that generation computes one token at a time. A module of buffers: lazily
// they live from call to call; traced with full_state() they are State, which entries "prefill" and "decode" of one file share.
// Evaluation only: no gradients lead through it.
#pragma once

#include "trainer/nn/module.h"

namespace gf::nn {

/// Memory: 2 * layers * batch * capacity * heads * dim floats, and a position.
struct CacheOptions {
  int64_t layers = 1;      ///< attention layers that keep something
  int64_t batch = 1;
  int64_t capacity = 0;    ///< positions
  int64_t heads = 1;       ///< of keys and values: fewer than those of queries where queries are grouped
  int64_t dim = 0;         ///< of a head
};
class KeyValueCache final : public Module {
 public:
  /// Throws InvalidArgument: a number below 1.
  explicit KeyValueCache(const CacheOptions& options);
  const CacheOptions& options() const { return options_; }

  /// Where the next `length` tokens stand, int64 [length]: behind those that are kept.
  Tensor positions(int64_t length) const;
  /// Keeps k and v [batch, heads, length, dim] of the next tokens for that layer, and gives the causal attention of q [batch, query heads,
  /// length, dim] over everything kept. A run with more positions than the capacity ends with IndexOutOfRange. Throws ShapeMismatch,
  /// InvalidArgument (layer).
  Tensor attend(int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, double scale = 0);
  /// The tokens went through every layer: the next ones stand behind them.
  void advance(int64_t length);
  /// Forgets all but the first positions; what is forgotten is overwritten, never read.
  void rewind(int64_t positions = 0);
  /// int64 [1]: how many positions are kept.
  Tensor position;

 private:
  struct Layer {
    Tensor keys, values;   // [batch, heads, capacity, dim]
  };
  CacheOptions options_;
  std::vector<Layer> layers_;
};

/// Throws InvalidArgument, naming the module, in training mode.
void check_cached(const char* module, bool is_training);

}  // namespace gf::nn
