// Recurrent layers in f32 (ONNX RNN, GRU, LSTM with default activations), one direction per call: weights packed once,
// the input's product for all steps first, then per step one product with the state and a fused cell update.
// Thread rule: pure functions on the caller's buffers; the same bits for every number of threads.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Gate order as in ONNX: LSTM i o f c, GRU z r h.
enum class RnnKind : uint8_t { Tanh, Relu, Gru, Lstm };

struct RnnDims {
  RnnKind kind = RnnKind::Lstm;
  int64_t steps = 0, batch = 0, input = 0, hidden = 0;
  bool linear_before_reset = false;  ///< GRU: h~ = tanh(Xh + r (R h + Rb)) instead of tanh(Xh + R (r h) + Rb)
};
/// Gates of a kind: 1, 3 or 4.
int64_t rnn_gates(RnnKind kind);

/// Weights of one direction, as the ONNX inputs W [gates * hidden, input], R [gates * hidden, hidden], B
/// [2 * gates * hidden] (input biases, then recurrent ones; null: 0), P [3 * hidden] peepholes i o f (LSTM; null: 0).
struct RnnWeights {
  const float* w = nullptr;
  const float* r = nullptr;
  const float* b = nullptr;
  const float* p = nullptr;
};
/// Bytes of packed weights; depends on isa, kind, input, hidden and linear_before_reset only.
uint64_t rnn_packed_bytes(Isa isa, const RnnDims& dims);
/// Packs one direction. `packed`: rnn_packed_bytes bytes, aligned to 64.
void rnn_pack(Isa isa, const RnnDims& dims, const RnnWeights& weights, void* packed);

struct RnnArgs {
  const float* x = nullptr;
  const void* packed = nullptr;
  const float* initial_h = nullptr;        ///< [batch, hidden] or null: 0
  const float* initial_c = nullptr;        ///< LSTM: [batch, hidden] or null: 0
  const int32_t* lengths = nullptr;        ///< [batch] valid steps in [0, steps], or null: all
  bool reverse = false;                    ///< walk each sequence's valid steps backwards
  float clip = 0.0f;                       ///< > 0: gate inputs are clamped to [-clip, clip]
  bool input_forget = false;               ///< LSTM: f = 1 - i
  float* y = nullptr;                      ///< h of every step at y[t * y_step + b * y_batch + j], or null; steps
  int64_t y_step = 0, y_batch = 0;         ///<   beyond a sequence's length are set to 0
  /// What a gradient reads of every step, 0 past a sequence's end, or null: values of the gates [steps, batch, gates * hidden]
  /// (LSTM i o f g, GRU z r n), and [steps, batch, hidden] the cells (LSTM) or what r meets (GRU: r h or R h + Rb).
  float* gates = nullptr;
  float* kept = nullptr;
  float* last_h = nullptr;                 ///< [batch, hidden] or null
  float* last_c = nullptr;                 ///< LSTM: [batch, hidden] or null; may be initial_c's memory, as last_h
};

/// Scratch in bytes: the gates of all steps (steps * batch * gates * hidden floats), states and the products' own. `in_place`: gates
/// are asked for and lengths are not given, so that those of all steps stand where they are kept.
uint64_t rnn_scratch_bytes(Isa isa, const RnnDims& dims, bool in_place, int threads);
/// Runs one direction. `scratch`: rnn_scratch_bytes bytes, aligned to 64.
void rnn_f32(Isa isa, const RnnDims& dims, const RnnArgs& args, void* scratch, const ParallelFor& parallel);

/// One LSTM cell update for a row: gates [4 * hidden] (inputs of the activations without peepholes), c is updated in
/// place, h written. p: peepholes [3 * hidden] or null.
void lstm_cell(Isa isa, const float* gates, const float* p, float clip, bool input_forget, int64_t hidden, float* c,
               float* h);

}  // namespace gf::simd
