// Recurrent layers; see rnn.h for the formulas. Cell updates are the vector part, products come from gemm.h.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/rnn.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math-inl.h"
#include "ops/cpu/simd/rnn.h"

#ifndef GF_SIMD_RNN_TABLE
#define GF_SIMD_RNN_TABLE
namespace gf::simd {
struct CellLimits {
  float clip;  // infinity: none
  bool input_forget;
};
/// `values`: the gates' values as RnnArgs::gates has them, or null.
struct RnnTable {
  void (*lstm)(const float* gates, const float* p, const CellLimits& limits, int64_t hidden, float* c, float* h, float* values);
  /// zr: z and r inputs, complete. reset_h = r * h.
  void (*gru_reset)(const float* zr, const CellLimits& limits, int64_t hidden, const float* h, float* reset_h, float* values);
  /// n: input of the candidate, complete. h = (1 - z) tanh(n) + z h.
  void (*gru_update)(const float* z, const float* n, const CellLimits& limits, int64_t hidden, float* h, float* values);
  /// linear_before_reset: x and s are the input's and the state's parts of all three gates.
  void (*gru_linear)(const float* x, const float* s, const CellLimits& limits, int64_t hidden, float* h, float* values);
  void (*plain[2])(const float* gates, const CellLimits& limits, int64_t hidden, float* h);  // tanh, relu
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

HWY_INLINE F32Vec clamp(F32Vec x, float bound) {
  const F32Tag d;
  const F32Vec high = hn::Set(d, bound), low = hn::Set(d, -bound);
  x = hn::IfThenElse(hn::Lt(x, low), low, x);
  return hn::IfThenElse(hn::Gt(x, high), high, x);
}

// i = s(Xi + Pi c), f = s(Xf + Pf c), c' = f c + i tanh(Xc), o = s(Xo + Po c'), h = o tanh(c')
void lstm(const float* gates, const float* p, const CellLimits& limits, int64_t hidden, float* c, float* h, float* values) {
  const F32Tag d;
  const float bound = limits.clip;
  const bool input_forget = limits.input_forget;
  each_vector(hidden, [=](int64_t j, Lane lane) HWY_ATTR {
    F32Vec i = lane.load(gates + j), o = lane.load(gates + hidden + j), f = lane.load(gates + 2 * hidden + j);
    const F32Vec g = tanh_of(clamp(lane.load(gates + 3 * hidden + j), bound));
    F32Vec cell = lane.load(c + j);
    if (p != nullptr) {
      i = hn::MulAdd(lane.load(p + j), cell, i);
      f = hn::MulAdd(lane.load(p + 2 * hidden + j), cell, f);
    }
    i = sigmoid_of(clamp(i, bound));
    f = input_forget ? hn::Sub(hn::Set(d, 1.0f), i) : sigmoid_of(clamp(f, bound));
    cell = hn::MulAdd(f, cell, hn::Mul(i, g));
    if (p != nullptr) o = hn::MulAdd(lane.load(p + hidden + j), cell, o);
    o = sigmoid_of(clamp(o, bound));
    if (values != nullptr) {
      lane.store(i, values + j);
      lane.store(o, values + hidden + j);
      lane.store(f, values + 2 * hidden + j);
      lane.store(g, values + 3 * hidden + j);
    }
    lane.store(cell, c + j);
    lane.store(hn::Mul(o, tanh_of(cell)), h + j);
  });
}

void gru_reset(const float* zr, const CellLimits& limits, int64_t hidden, const float* h, float* reset_h, float* values) {
  const float bound = limits.clip;
  each_vector(hidden, [=](int64_t j, Lane lane) HWY_ATTR {
    const F32Vec r = sigmoid_of(clamp(lane.load(zr + hidden + j), bound));
    if (values != nullptr) lane.store(r, values + hidden + j);
    lane.store(hn::Mul(r, lane.load(h + j)), reset_h + j);
  });
}

HWY_INLINE F32Vec blend_state(F32Vec z, F32Vec n, F32Vec h) {
  return hn::MulAdd(z, h, hn::Mul(hn::Sub(hn::Set(F32Tag(), 1.0f), z), n));
}

void gru_update(const float* z_in, const float* n_in, const CellLimits& limits, int64_t hidden, float* h, float* values) {
  const float bound = limits.clip;
  each_vector(hidden, [=](int64_t j, Lane lane) HWY_ATTR {
    const F32Vec z = sigmoid_of(clamp(lane.load(z_in + j), bound));
    const F32Vec n = tanh_of(clamp(lane.load(n_in + j), bound));
    if (values != nullptr) {
      lane.store(z, values + j);
      lane.store(n, values + 2 * hidden + j);
    }
    lane.store(blend_state(z, n, lane.load(h + j)), h + j);
  });
}

void gru_linear(const float* x, const float* s, const CellLimits& limits, int64_t hidden, float* h, float* values) {
  const float bound = limits.clip;
  each_vector(hidden, [=](int64_t j, Lane lane) HWY_ATTR {
    const int64_t k = hidden + j, m = 2 * hidden + j;
    const F32Vec z = sigmoid_of(clamp(hn::Add(lane.load(x + j), lane.load(s + j)), bound));
    const F32Vec r = sigmoid_of(clamp(hn::Add(lane.load(x + k), lane.load(s + k)), bound));
    const F32Vec n = tanh_of(clamp(hn::MulAdd(r, lane.load(s + m), lane.load(x + m)), bound));
    if (values != nullptr) {
      lane.store(z, values + j);
      lane.store(r, values + k);
      lane.store(n, values + m);
    }
    lane.store(blend_state(z, n, lane.load(h + j)), h + j);
  });
}

template <bool kRelu>
void plain(const float* gates, const CellLimits& limits, int64_t hidden, float* h) {
  const F32Tag d;
  const float bound = limits.clip;
  each_vector(hidden, [=](int64_t j, Lane lane) HWY_ATTR {
    const F32Vec x = clamp(lane.load(gates + j), bound);
    lane.store(kRelu ? hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x) : tanh_of(x), h + j);
  });
}

constexpr RnnTable kRnnTable = {lstm, gru_reset, gru_update, gru_linear, {plain<false>, plain<true>}};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

#include "ops/cpu/simd/gemm.h"

namespace gf::simd {
namespace {

constexpr uint64_t align64(uint64_t bytes) { return (bytes + 63) / 64 * 64; }
uint64_t float_bytes(int64_t n) { return align64(static_cast<uint64_t>(n) * sizeof(float)); }

// Where the parts of packed weights lie. A GRU that resets before the product has two state products.
struct PackedLayout {
  bool split;                 // R packed as [z r] and [h]
  uint64_t w, r, r_candidate, input_bias, state_bias, peepholes, total;
};
PackedLayout packed_layout(Isa isa, const RnnDims& d) {
  const int64_t rows = rnn_gates(d.kind) * d.hidden;
  PackedLayout l;
  l.split = d.kind == RnnKind::Gru && !d.linear_before_reset;
  l.w = 0;
  l.r = l.w + align64(packed_b_bytes(isa, d.input, rows));
  l.r_candidate = l.r + align64(packed_b_bytes(isa, d.hidden, l.split ? 2 * d.hidden : rows));
  l.input_bias = l.r_candidate + (l.split ? align64(packed_b_bytes(isa, d.hidden, d.hidden)) : 0);
  l.state_bias = l.input_bias + float_bytes(rows);
  l.peepholes = l.state_bias + float_bytes(rows);
  l.total = l.peepholes + float_bytes(3 * d.hidden + 1);
  return l;
}

template <class T>
T* at(void* base, uint64_t offset) { return reinterpret_cast<T*>(static_cast<unsigned char*>(base) + offset); }
template <class T>
const T* at(const void* base, uint64_t offset) {
  return reinterpret_cast<const T*>(static_cast<const unsigned char*>(base) + offset);
}

struct ScratchLayout {
  uint64_t x_gates, gates, h, c, reset_h, gemm, total;
};

GemmArgs input_product(const RnnDims& d) {
  GemmArgs g;
  const int64_t rows = rnn_gates(d.kind) * d.hidden;
  g.m = d.steps * d.batch;
  g.n = rows;
  g.k = d.input;
  g.a_row_stride = d.input;
  g.ldc = rows;
  g.packed_b = &kGemmAlignment;  // not null: sizes are asked for packed weights
  return g;
}
GemmArgs state_product(const RnnDims& d, int64_t columns) {
  GemmArgs g;
  g.m = d.batch;
  g.n = columns;
  g.k = d.hidden;
  g.a_row_stride = d.hidden;
  g.ldc = rnn_gates(d.kind) * d.hidden;
  g.packed_b = &kGemmAlignment;
  return g;
}

ScratchLayout scratch_layout(Isa isa, const RnnDims& d, bool in_place, int threads) {
  const int64_t rows = rnn_gates(d.kind) * d.hidden, state = d.batch * d.hidden;
  ScratchLayout l;
  l.x_gates = 0;
  l.gates = in_place ? 0 : float_bytes(d.steps * d.batch * rows);
  l.h = l.gates + (in_place && !d.linear_before_reset ? 0 : float_bytes(d.batch * rows));
  l.c = l.h + float_bytes(state);
  l.reset_h = l.c + float_bytes(state);
  l.gemm = l.reset_h + float_bytes(state);
  uint64_t gemm_bytes = gemm_scratch_bytes(isa, input_product(d), threads);
  for (const int64_t columns : {rows, 2 * d.hidden, d.hidden}) {
    const uint64_t bytes = gemm_scratch_bytes(isa, state_product(d, columns), threads);
    if (bytes > gemm_bytes) gemm_bytes = bytes;
  }
  l.total = l.gemm + align64(gemm_bytes);
  return l;
}

/// One direction while it runs.
struct Runner {
  Isa isa;
  const RnnDims& d;
  const RnnArgs& a;
  const RnnTable& table;
  const PackedLayout packed;
  const bool in_place;  // the gates' inputs lie where their values go: sequences of one length whose gates are kept
  const ScratchLayout layout;
  void* scratch;
  const ParallelFor& parallel;
  CellLimits limits;

  int64_t rows() const { return rnn_gates(d.kind) * d.hidden; }
  float* h() const { return at<float>(scratch, layout.h); }
  float* c() const { return at<float>(scratch, layout.c); }
  float* gates() const { return at<float>(scratch, layout.gates); }
  /// Where a step's sums go, [batch, rows].
  float* step_gates(int64_t s) const { return in_place ? x_gates(0, time(0, s)) : gates(); }
  int64_t length(int64_t b) const {
    if (a.lengths == nullptr) return d.steps;
    const int64_t n = a.lengths[b];
    return n < 0 ? 0 : n > d.steps ? d.steps : n;
  }
  /// The time that sequence b is at in step s (s < length).
  int64_t time(int64_t b, int64_t s) const { return a.reverse ? length(b) - 1 - s : s; }
  /// The input's part of the gates of sequence b at time t.
  float* x_gates(int64_t b, int64_t t) const {
    return (in_place ? a.gates : at<float>(scratch, layout.x_gates)) + (t * d.batch + b) * rows();
  }
  /// Input parts as the residual of this step's state product, [batch, rows]: straight from the big product when all sequences are
  /// at the same time, else gathered into `gates`.
  const float* step_residual(int64_t s) const {
    if (a.lengths == nullptr) return x_gates(0, time(0, s));
    for (int64_t b = 0; b < d.batch; ++b) {
      const int64_t t = s < length(b) ? time(b, s) : 0;
      std::memcpy(gates() + b * rows(), x_gates(b, t), static_cast<size_t>(rows()) * sizeof(float));
    }
    return gates();
  }

  void product(GemmArgs g, const float* left, uint64_t weights, float* out) const {
    g.a = left;
    g.packed_b = at<unsigned char>(a.packed, weights);
    g.c = out;
    gemm(isa, g, at<unsigned char>(scratch, layout.gemm), parallel);
  }

  void all_inputs() const {
    GemmArgs g = input_product(d);
    g.epilogue.bias = at<float>(a.packed, packed.input_bias);
    product(g, a.x, packed.w, x_gates(0, 0));
  }

  /// Where the values of this step's gates go; null: nowhere.
  float* values(int64_t b, int64_t s) const {
    return a.gates == nullptr || s >= length(b) ? nullptr : a.gates + (time(b, s) * d.batch + b) * rows();
  }
  void keep(int64_t b, int64_t s, const float* row) const {
    if (a.kept != nullptr)
      std::memcpy(a.kept + (time(b, s) * d.batch + b) * d.hidden, row, static_cast<size_t>(d.hidden) * sizeof(float));
  }

  /// f(b) for each sequence that is still running at step s.
  template <class F>
  void each_row(int64_t s, F&& f) const {
    const int64_t grain = 2048 / d.hidden + 1;
    parallel.chunks(d.batch, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; ++b) {
        if (s >= length(b)) continue;
        f(b);
        if (a.y != nullptr) {
          std::memcpy(a.y + time(b, s) * a.y_step + b * a.y_batch, h() + b * d.hidden,
                      static_cast<size_t>(d.hidden) * sizeof(float));
        }
      }
    });
  }

  void step_summed(int64_t s) const {  // LSTM and plain: one product on top of the input's part
    GemmArgs g = state_product(d, rows());
    g.epilogue.residual = step_residual(s);
    g.epilogue.residual_stride = rows();
    float* sums = step_gates(s);
    product(g, h(), packed.r, sums);
    const float* p = at<float>(a.packed, packed.peepholes);
    const float* peepholes = p[3 * d.hidden] != 0.0f ? p : nullptr;
    each_row(s, [&](int64_t b) {
      const float* row = sums + b * rows();
      if (d.kind == RnnKind::Lstm) {
        table.lstm(row, peepholes, limits, d.hidden, c() + b * d.hidden, h() + b * d.hidden, values(b, s));
        keep(b, s, c() + b * d.hidden);
        return;
      }
      table.plain[d.kind == RnnKind::Relu ? 1 : 0](row, limits, d.hidden, h() + b * d.hidden);
    });
  }

  void step_gru_linear(int64_t s) const {
    GemmArgs g = state_product(d, rows());
    g.epilogue.bias = at<float>(a.packed, packed.state_bias);
    product(g, h(), packed.r, gates());
    each_row(s, [&](int64_t b) {
      table.gru_linear(x_gates(b, time(b, s)), gates() + b * rows(), limits, d.hidden, h() + b * d.hidden, values(b, s));
      keep(b, s, gates() + b * rows() + 2 * d.hidden);
    });
  }

  void step_gru(int64_t s) const {
    const float* input = step_residual(s);
    float* sums = step_gates(s);
    float* reset = at<float>(scratch, layout.reset_h);
    GemmArgs zr = state_product(d, 2 * d.hidden);
    zr.epilogue.residual = input;
    zr.epilogue.residual_stride = rows();
    product(zr, h(), packed.r, sums);
    for (int64_t b = 0; b < d.batch; ++b) {
      table.gru_reset(sums + b * rows(), limits, d.hidden, h() + b * d.hidden, reset + b * d.hidden, values(b, s));
    }
    GemmArgs candidate = state_product(d, d.hidden);
    candidate.epilogue.residual = input + 2 * d.hidden;
    candidate.epilogue.residual_stride = rows();
    product(candidate, reset, packed.r_candidate, sums + 2 * d.hidden);
    each_row(s, [&](int64_t b) {
      const float* row = sums + b * rows();
      table.gru_update(row, row + 2 * d.hidden, limits, d.hidden, h() + b * d.hidden, values(b, s));
      keep(b, s, reset + b * d.hidden);
    });
  }

  void clear_after_end() const {
    const auto clear = [](float* row, int64_t n) { std::memset(row, 0, static_cast<size_t>(n) * sizeof(float)); };
    for (int64_t b = 0; b < d.batch; ++b) {
      for (int64_t t = length(b); t < d.steps; ++t) {
        if (a.y != nullptr) clear(a.y + t * a.y_step + b * a.y_batch, d.hidden);
        if (a.gates != nullptr) clear(a.gates + (t * d.batch + b) * rows(), rows());
        if (a.kept != nullptr) clear(a.kept + (t * d.batch + b) * d.hidden, d.hidden);
      }
    }
  }
};

void copy_state(const float* from, float* to, int64_t n) {
  if (to == nullptr || n == 0) return;
  if (from == nullptr) std::memset(to, 0, static_cast<size_t>(n) * sizeof(float));
  else std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace

int64_t rnn_gates(RnnKind kind) { return kind == RnnKind::Lstm ? 4 : kind == RnnKind::Gru ? 3 : 1; }

uint64_t rnn_packed_bytes(Isa isa, const RnnDims& dims) { return packed_layout(isa, dims).total; }

void rnn_pack(Isa isa, const RnnDims& dims, const RnnWeights& weights, void* packed) {
  const PackedLayout l = packed_layout(isa, dims);
  const int64_t hidden = dims.hidden, rows = rnn_gates(dims.kind) * hidden;
  pack_b(isa, {weights.w, DType::F32, 1, dims.input}, dims.input, rows, at<unsigned char>(packed, l.w));
  pack_b(isa, {weights.r, DType::F32, 1, hidden}, hidden, l.split ? 2 * hidden : rows, at<unsigned char>(packed, l.r));
  if (l.split) {
    pack_b(isa, {weights.r + 2 * hidden * hidden, DType::F32, 1, hidden}, hidden, hidden,
           at<unsigned char>(packed, l.r_candidate));
  }
  float* input_bias = at<float>(packed, l.input_bias);
  float* state_bias = at<float>(packed, l.state_bias);
  for (int64_t i = 0; i < rows; ++i) {
    const float wb = weights.b == nullptr ? 0.0f : weights.b[i], rb = weights.b == nullptr ? 0.0f : weights.b[rows + i];
    // Only the candidate of a linear-before-reset GRU must keep its recurrent bias apart.
    const bool apart = dims.kind == RnnKind::Gru && dims.linear_before_reset && i >= 2 * hidden;
    input_bias[i] = apart ? wb : wb + rb;
    state_bias[i] = apart ? rb : 0.0f;
  }
  float* peepholes = at<float>(packed, l.peepholes);
  for (int64_t i = 0; i < 3 * hidden; ++i) peepholes[i] = weights.p == nullptr ? 0.0f : weights.p[i];
  peepholes[3 * hidden] = weights.p == nullptr ? 0.0f : 1.0f;  // says whether there are any
}

uint64_t rnn_scratch_bytes(Isa isa, const RnnDims& dims, bool in_place, int threads) {
  return scratch_layout(isa, dims, in_place, threads).total;
}

void rnn_f32(Isa isa, const RnnDims& dims, const RnnArgs& args, void* scratch, const ParallelFor& parallel) {
  const int64_t state = dims.batch * dims.hidden;
  const float clip = args.clip > 0 ? args.clip : __builtin_inff();
  const bool in_place = args.gates != nullptr && args.lengths == nullptr;
  const Runner run{isa,      dims,     args,    GF_SIMD_SELECT(isa, kRnnTable), packed_layout(isa, dims), in_place, scratch_layout(isa, dims, in_place, parallel.threads),
                   scratch, parallel, {clip, args.input_forget}};
  if (state == 0) return;
  copy_state(args.initial_h, run.h(), state);
  copy_state(args.initial_c, run.c(), state);
  if (dims.steps > 0) run.all_inputs();
  for (int64_t s = 0; s < dims.steps; ++s) {
    if (dims.kind != RnnKind::Gru) run.step_summed(s);
    else if (dims.linear_before_reset) run.step_gru_linear(s);
    else run.step_gru(s);
  }
  run.clear_after_end();
  copy_state(run.h(), args.last_h, state);
  if (dims.kind == RnnKind::Lstm) copy_state(run.c(), args.last_c, state);
}

void lstm_cell(Isa isa, const float* gates, const float* p, float clip, bool input_forget, int64_t hidden, float* c,
               float* h) {
  const CellLimits limits{clip > 0 ? clip : __builtin_inff(), input_forget};
  GF_SIMD_SELECT(isa, kRnnTable).lstm(gates, p, limits, hidden, c, h, nullptr);
}

}  // namespace gf::simd
#endif
