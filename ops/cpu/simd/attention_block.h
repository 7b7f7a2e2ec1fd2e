// Internal to attention.cpp and attention_grad.cpp: what one task works on, which keys its rows read, and the steps both take.
#pragma once

#include "ops/cpu/simd/attention.h"
#include "ops/cpu/simd/transpose.h"

namespace gf::simd {

inline constexpr int64_t kQueryBlock = 48;   // rows that share a transposed block of keys
inline constexpr int64_t kKeyBlock = 128;    // keys per block: scores, keys and values of a block stay in L2
inline constexpr int64_t kDotRows = 3;       // up to this many rows, dot products beat transposing the keys

/// Query rows of one task and what they read. `rows` are query positions, or heads of one group when q_len is 1.
struct AttentionBlock {
  const AttentionArgs* args;
  const float* q;
  const float* k;
  const float* v;
  float* out;
  const float* bias;
  const uint8_t* mask;
  int64_t q_row, out_row, bias_row, mask_row, bias_key, mask_key;  // distances
  int64_t rows;
  int64_t low[kQueryBlock], high[kQueryBlock];  // keys [low, high) of each row
  TransposeTile transpose;
  float* scratch;
};

/// Where the rows of a head from `row` on (rows_are_heads: the heads from `head` on) and their keys lie. `b.rows` is set.
void place_block(const AttentionArgs& a, int64_t batch, int64_t head, int64_t kv_head, int64_t row, bool rows_are_heads,
                 AttentionBlock& b);

/// Columns that products compute for `count` keys: whole pairs of vectors (the widest have 16 lanes).
constexpr int64_t padded_keys(int64_t count) { return (count + 31) / 32 * 32; }

/// to[i][j] = rows[j][i] for `count` rows of `dim`, `width` apart, zeros up to padded_keys(count).
void transposed_rows(const AttentionBlock& b, const float* rows, int64_t row, int64_t count, int64_t dim, float* to, int64_t width);

/// What attention does to blocks and its gradient does too; compiled once per target.
struct AttentionSteps {
  using Product = void (*)(const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row, int64_t rows,
                           int64_t cols, int64_t depth, bool accumulate);
  Product product;         ///< C[rows, cols] (+)= A[rows, depth] B[depth, cols], rows a_row, b_row, c_row apart
  Product turned_product;  ///< the same with A stored as [depth, rows], those rows a_row apart
  /// Scale, softcap, bias, mask and window of row r of scores for keys [first, first + count).
  void (*adjust)(const AttentionBlock& b, int64_t r, int64_t first, int64_t count, float* s);
  float (*greatest)(const float* s, int64_t n);                ///< NaN if there is one
  float (*exponentials)(float* s, int64_t n, float greatest);  ///< s = e^(s - greatest) in place; their sum
};
const AttentionSteps& attention_steps(Isa isa);

}  // namespace gf::simd
