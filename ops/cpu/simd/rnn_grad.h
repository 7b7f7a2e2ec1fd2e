// Recurrent layers backwards through time in f32, one direction per call: the state's product with R at each step on the GEMM of
// this folder, the slopes fused around it. Formulas: schema/ops/{lstm,gru,rnn}_grad.h.
// Thread rule: pure functions on the caller's buffers; the same bits for every number of threads.
#pragma once

#include "ops/cpu/simd/rnn.h"

namespace gf::simd {

/// What is not given is null; [steps, batch, ..] in time order. `dims`: as forward, `input` is not looked at.
struct RnnGradArgs {
  const float* r = nullptr;                ///< [gates * hidden, hidden]
  const float* gates = nullptr;            ///< LSTM and GRU: RnnArgs::gates
  const float* kept = nullptr;             ///< LSTM and GRU: RnnArgs::kept
  const float* y = nullptr;                ///< others than LSTM: h at y[t * y_step + b * hidden + j]
  const float* dy = nullptr;               ///< same places, or null: 0
  int64_t y_step = 0;
  const float* initial = nullptr;          ///< LSTM: cell, GRU: h [batch, hidden], or null: 0
  const int32_t* lengths = nullptr;        ///< [batch] in [0, steps], or null: all
  bool reverse = false;
  float clip = 0.0f;
  bool input_forget = false;
  const float* p = nullptr;                ///< LSTM: peepholes [3 * hidden] or null
  const float* d_last_h = nullptr;         ///< [batch, hidden] or null: 0
  const float* d_last_c = nullptr;         ///< LSTM, same
  float* da = nullptr;                     ///< [steps, batch, gates * hidden]
  float* ds = nullptr;                     ///< GRU with linear_before_reset: same, of the state's product; or null
  float* d_initial_h = nullptr;            ///< [batch, hidden] or null
  float* d_initial_c = nullptr;            ///< LSTM, same
};

/// Scratch in bytes: R packed, the state's gradients, one step's products.
uint64_t rnn_grad_scratch_bytes(Isa isa, const RnnDims& dims, int threads);
/// Runs one direction. `scratch`: rnn_grad_scratch_bytes bytes, aligned to 64.
void rnn_grad_f32(Isa isa, const RnnDims& dims, const RnnGradArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
