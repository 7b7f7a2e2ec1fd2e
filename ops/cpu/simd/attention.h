// Scaled dot-product attention in f32 without a full score matrix (blocks of keys with a running maximum and sum, as in
// FlashAttention, Dao et al. 2022): softmax(softcap(scale Q K^T) + bias) V, the order of ONNX Attention.
// Thread rule: pure functions; tasks are (batch, head, block of query rows), cut by shape only, so the same bits for
// every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Element distances of a [batch, heads, rows, dim] tensor in any order of the first three; `dim` is contiguous.
struct HeadStrides {
  int64_t batch = 0, head = 0, row = 0;
};

struct AttentionArgs {
  const float* q = nullptr;  ///< [batch, q_heads, q_len, qk_dim]
  const float* k = nullptr;  ///< [batch, kv_heads, kv_len, qk_dim]
  const float* v = nullptr;  ///< [batch, kv_heads, kv_len, v_dim]
  float* out = nullptr;      ///< [batch, q_heads, q_len, v_dim], overlaps no input
  HeadStrides q_strides, k_strides, v_strides, out_strides;
  int64_t batch = 1, q_heads = 1, kv_heads = 1;  ///< kv_heads divides q_heads; head h reads h / (q_heads / kv_heads)
  int64_t q_len = 0, kv_len = 0, qk_dim = 0, v_dim = 0;
  float scale = 1.0f;
  float softcap = 0.0f;      ///< > 0: scores become softcap tanh(score / softcap), before masks

  /// Added to the scores (null: absent), and where true keys may be read (null: all). Strides in elements for batch,
  /// query head, query row and key: 0 broadcasts; the key stride is 0 or 1.
  const float* bias = nullptr;
  int64_t bias_strides[4] = {0, 0, 0, 0};
  const uint8_t* mask = nullptr;
  int64_t mask_strides[4] = {0, 0, 0, 0};

  /// Query i stands at position p = i + offset of the keys and reads keys in [p - left_window, p + right_window];
  /// -1: unbounded. Causal is right_window = 0.
  int64_t offset = 0;
  int64_t left_window = -1, right_window = -1;
  /// Valid keys per batch (null: kv_len for all; values are clamped to [0, kv_len]). With offset_from_lengths the
  /// offset of a batch is its length - q_len instead of `offset`.
  const int64_t* kv_lengths = nullptr;
  bool offset_from_lengths = false;
};

/// Scratch of one worker. Worker w uses scratch + w * this (a multiple of 64; scratch aligned to 64).
size_t attention_scratch_bytes_per_worker(int64_t qk_dim);

/// A row without any key to read gives 0. Error against float64: about 2^-23 (1 + largest score) times the largest |v|,
/// what f32 scores allow.
void attention_f32(Isa isa, const AttentionArgs& args, void* scratch, const ParallelFor& parallel);

/// Gradients by q, k and v, the scores computed again in blocks. `forward.out` is not looked at; its strides are those of y and dy.
struct AttentionGradArgs {
  AttentionArgs forward;
  const float* y = nullptr;   ///< what the operation gave
  const float* dy = nullptr;  ///< the gradient of y
  float* dq = nullptr;        ///< strides of q; written whole, overlaps nothing, like dk and dv
  float* dk = nullptr;        ///< strides of k
  float* dv = nullptr;        ///< strides of v
};

/// Scratch of one worker, as above.
size_t attention_grad_scratch_bytes_per_worker(int64_t q_len, int64_t kv_len, int64_t qk_dim, int64_t v_dim);

/// Tasks are (batch, key head): the query heads of a group are added up in order, so the same bits for every number of threads.
void attention_grad_f32(Isa isa, const AttentionGradArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
