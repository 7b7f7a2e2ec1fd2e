// Where a token stands, for attention: sinusoidal (Vaswani et al. 2017), learned, rotary (Su et al. 2021) and ALiBi (Press et al. 2022).
#pragma once

#include "trainer/nn/module.h"
#include "trainer/tensor/functions.h"

namespace gf::nn {

/// [length, dim]: sin(p / 10000^(2i / dim)) at 2i, the cosine at 2i + 1. Throws InvalidArgument for an odd dim.
Tensor sinusoidal_positions(int64_t length, int64_t dim);

/// x [batch, length, dim] plus the first rows of sinusoidal_positions(most, dim).
class SinusoidalPositions final : public Module {
 public:
  SinusoidalPositions(int64_t most, int64_t dim) : table_(sinusoidal_positions(most, dim)) {}
  Tensor forward(const Tensor& x) override { return x + narrow(table_, 0, 0, x.size(1)); }

 private:
  Tensor table_;
};

/// x [batch, length, dim] plus the first rows of a weight [most, dim].
class LearnedPositions final : public Module {
 public:
  LearnedPositions(int64_t most, int64_t dim);
  Tensor forward(const Tensor& x) override { return x + narrow(weight, 0, 0, x.size(1)); }
  Tensor weight;
};

/// Tables [length, dim / 2] of the cosines and sines of position / base^(2i / dim).
struct RotaryTables {
  Tensor cos, sin;
};
RotaryTables rotary_tables(int64_t length, int64_t dim, double base = 10000);
/// q or k [batch, heads, length, dim] turned pair by pair: elements j and j + dim / 2 (LLaMA), or 2j and 2j + 1 when interleaved (GPT-J).
/// positions: int64 [length], or [batch, length]; empty: 0, 1, 2, ...
Tensor rotary(const Tensor& x, const RotaryTables& tables, const Tensor& positions = {}, bool interleaved = false);

/// Slopes of the heads, [heads]: 2^(-8 i / heads), and between them for a number that is no power of 2.
Tensor alibi_slopes(int64_t heads);
/// [heads, queries, keys] to add to scores: slope (key - query), the last query at the last key.
Tensor alibi_bias(int64_t heads, int64_t queries, int64_t keys);

}  // namespace gf::nn
