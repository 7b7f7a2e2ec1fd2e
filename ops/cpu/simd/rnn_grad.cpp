// Recurrent layers backwards; see rnn_grad.h. Rows of slopes are the vector part, products come from gemm.h.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/rnn_grad.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/math-inl.h"
#include "ops/cpu/simd/rnn_grad.h"

#ifndef GF_SIMD_RNN_GRAD_TABLE
#define GF_SIMD_RNN_GRAD_TABLE
namespace gf::simd {
/// One sequence at one step. Rows of `hidden` floats, gates of so many times that; null: zeros.
struct BackRow {
  const float* gates;
  const float* kept;
  const float* before;   // the state that the step started from
  const float* y;        // plain cells
  const float* dy;
  const float* p;
  float* dh;             // of the state after the step; GRU: becomes the part of the state before that needs no product
  float* dc;             // LSTM: of the cell after, becomes that of the cell before
  float* da;
  float* ds;             // GRU with linear_before_reset
  const float* product;  // GRU: da_n r_h
};
struct BackLimits {
  float clip;  // 0: none
  bool input_forget;
};
struct RnnGradTable {
  void (*lstm)(const BackRow& row, const BackLimits& limits, int64_t hidden);
  void (*gru_linear)(const BackRow& row, const BackLimits& limits, int64_t hidden);
  void (*gru_gates)(const BackRow& row, const BackLimits& limits, int64_t hidden);  // before the product with r_h
  void (*gru_reset)(const BackRow& row, const BackLimits& limits, int64_t hidden);  // after it
  void (*plain[2])(const BackRow& row, const BackLimits& limits, int64_t hidden);   // tanh, relu
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#if GF_SMALL_LOOPS
// There are many loads and stores among little arithmetic, and products take the time: calls.
HWY_NOINLINE F32Vec load_lanes(const float* p, size_t partial) { return Lane{partial}.load(p); }
HWY_NOINLINE void store_lanes(F32Vec v, float* p, size_t partial) { Lane{partial}.store(v, p); }
struct BackLane {
  size_t partial;
  explicit BackLane(Lane lane) : partial(lane.partial) {}
  F32Vec load(const float* p) const { return load_lanes(p, partial); }
  void store(F32Vec v, float* p) const { store_lanes(v, p, partial); }
};
#else
using BackLane = Lane;
#endif

HWY_INLINE F32Vec load_or_zero(BackLane lane, const float* p, int64_t at) { return p == nullptr ? hn::Zero(F32Tag()) : lane.load(p + at); }

// 0 where y is an edge of what clip allows, see cell_edge_room (schema/recurrent_grad.h); else s.
GF_SELDOM F32Vec free_or_zero(F32Vec s, F32Vec y, F32Vec edge) {
  const F32Tag d;
  const F32Vec room = hn::Mul(hn::Abs(edge), hn::Set(d, 4 * 0x1p-23f));
  return hn::IfThenZeroElse(hn::Le(hn::Abs(hn::Sub(y, edge)), room), s);
}
// What clip lets sigmoid and tanh reach; nothing without it.
struct Edges {
  bool any;
  F32Vec sigmoid_high, sigmoid_low, tanh_high;
  explicit HWY_INLINE Edges(float clip) : any(clip > 0), sigmoid_high(hn::Zero(F32Tag())), sigmoid_low(sigmoid_high), tanh_high(sigmoid_high) {
    const F32Tag d;
    if (!any) return;
    sigmoid_high = sigmoid_of(hn::Set(d, clip));
    sigmoid_low = sigmoid_of(hn::Set(d, -clip));
    tanh_high = tanh_of(hn::Set(d, clip));
  }
};
GF_SELDOM F32Vec sigmoid_slope(F32Vec y, const Edges& edges) {
  const F32Tag d;
  const F32Vec s = hn::Mul(y, hn::Sub(hn::Set(d, 1.0f), y));
  return edges.any ? free_or_zero(free_or_zero(s, y, edges.sigmoid_high), y, edges.sigmoid_low) : s;
}
HWY_INLINE F32Vec tanh_slope(F32Vec y) { return hn::NegMulAdd(y, y, hn::Set(F32Tag(), 1.0f)); }
GF_SELDOM F32Vec tanh_slope(F32Vec y, const Edges& edges) {
  const F32Vec s = tanh_slope(y);
  return edges.any ? free_or_zero(free_or_zero(s, y, edges.tanh_high), y, hn::Neg(edges.tanh_high)) : s;
}

void lstm_back(const BackRow& row, const BackLimits& limits, int64_t hidden) {
  const F32Tag d;
  const BackRow r = row;
  const Edges edges(limits.clip);
  const bool input_forget = limits.input_forget;
  each_vector(hidden, [=](int64_t j, Lane whole) HWY_ATTR {
    const BackLane lane(whole);
    const F32Vec i = lane.load(r.gates + j), o = lane.load(r.gates + hidden + j), f = lane.load(r.gates + 2 * hidden + j);
    const F32Vec g = lane.load(r.gates + 3 * hidden + j), shown = tanh_of(lane.load(r.kept + j));
    const F32Vec before = load_or_zero(lane, r.before, j), dh = hn::Add(lane.load(r.dh + j), load_or_zero(lane, r.dy, j));
    const F32Vec da_o = hn::Mul(hn::Mul(dh, shown), sigmoid_slope(o, edges));
    F32Vec dc = hn::MulAdd(hn::Mul(dh, o), tanh_slope(shown), lane.load(r.dc + j));
    if (r.p != nullptr) dc = hn::MulAdd(lane.load(r.p + hidden + j), da_o, dc);
    const F32Vec d_f = hn::Mul(dc, before);
    F32Vec d_i = hn::Mul(dc, g);
    if (input_forget) d_i = hn::Sub(d_i, d_f);
    const F32Vec da_f = input_forget ? hn::Zero(d) : hn::Mul(d_f, sigmoid_slope(f, edges));
    const F32Vec da_i = hn::Mul(d_i, sigmoid_slope(i, edges));
    lane.store(da_i, r.da + j);
    lane.store(da_o, r.da + hidden + j);
    lane.store(da_f, r.da + 2 * hidden + j);
    lane.store(hn::Mul(hn::Mul(dc, i), tanh_slope(g, edges)), r.da + 3 * hidden + j);
    dc = hn::Mul(dc, f);
    if (r.p != nullptr) dc = hn::MulAdd(lane.load(r.p + j), da_i, hn::MulAdd(lane.load(r.p + 2 * hidden + j), da_f, dc));
    lane.store(dc, r.dc + j);
  });
}

// da_z, da_n and the part of dh that stays
GF_SELDOM F32Vec candidate_back(const BackRow& r, BackLane lane, int64_t hidden, int64_t j, const Edges& edges) {
  const F32Tag d;
  const F32Vec z = lane.load(r.gates + j), n = lane.load(r.gates + 2 * hidden + j);
  const F32Vec dh = hn::Add(lane.load(r.dh + j), load_or_zero(lane, r.dy, j));
  const F32Vec da_n = hn::Mul(hn::Mul(dh, hn::Sub(hn::Set(d, 1.0f), z)), tanh_slope(n, edges));
  const F32Vec da_z = hn::Mul(hn::Mul(dh, hn::Sub(load_or_zero(lane, r.before, j), n)), sigmoid_slope(z, edges));
  lane.store(da_z, r.da + j);
  lane.store(da_n, r.da + 2 * hidden + j);
  lane.store(hn::Mul(dh, z), r.dh + j);
  return da_n;
}

void gru_linear_back(const BackRow& row, const BackLimits& limits, int64_t hidden) {
  const BackRow r = row;
  const Edges edges(limits.clip);
  each_vector(hidden, [=](int64_t j, Lane whole) HWY_ATTR {
    const BackLane lane(whole);
    const F32Vec da_n = candidate_back(r, lane, hidden, j, edges), reset = lane.load(r.gates + hidden + j);
    const F32Vec da_r = hn::Mul(hn::Mul(da_n, lane.load(r.kept + j)), sigmoid_slope(reset, edges));
    lane.store(da_r, r.da + hidden + j);
    lane.store(lane.load(r.da + j), r.ds + j);
    lane.store(da_r, r.ds + hidden + j);
    lane.store(hn::Mul(da_n, reset), r.ds + 2 * hidden + j);
  });
}

void gru_gates_back(const BackRow& row, const BackLimits& limits, int64_t hidden) {
  const BackRow r = row;
  const Edges edges(limits.clip);
  each_vector(hidden, [=](int64_t j, Lane whole) HWY_ATTR {
    const BackLane lane(whole);
    (void)candidate_back(r, lane, hidden, j, edges);
  });
}

void gru_reset_back(const BackRow& row, const BackLimits& limits, int64_t hidden) {
  const BackRow r = row;
  const Edges edges(limits.clip);
  each_vector(hidden, [=](int64_t j, Lane whole) HWY_ATTR {
    const BackLane lane(whole);
    const F32Vec met = lane.load(r.product + j), reset = lane.load(r.gates + hidden + j);
    lane.store(hn::Mul(hn::Mul(met, load_or_zero(lane, r.before, j)), sigmoid_slope(reset, edges)), r.da + hidden + j);
    lane.store(hn::MulAdd(met, reset, lane.load(r.dh + j)), r.dh + j);
  });
}

template <bool kRelu>
void plain_back(const BackRow& row, const BackLimits& limits, int64_t hidden) {
  const F32Tag d;
  const BackRow r = row;
  const Edges edges(kRelu ? 0.0f : limits.clip);
  const float bound = limits.clip;
  each_vector(hidden, [=](int64_t j, Lane whole) HWY_ATTR {
    const BackLane lane(whole);
    const F32Vec y = lane.load(r.y + j), dh = hn::Add(lane.load(r.dh + j), load_or_zero(lane, r.dy, j));
    if (!kRelu) return lane.store(hn::Mul(dh, tanh_slope(y, edges)), r.da + j);
    F32Vec slope = hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), hn::Set(d, 1.0f));
    if (bound > 0) slope = free_or_zero(slope, y, hn::Set(d, bound));
    lane.store(hn::Mul(dh, slope), r.da + j);
  });
}

constexpr RnnGradTable kRnnGradTable = {lstm_back, gru_linear_back, gru_gates_back, gru_reset_back, {plain_back<false>, plain_back<true>}};

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
bool is_split(const RnnDims& d) { return d.kind == RnnKind::Gru && !d.linear_before_reset; }

// rows [first, first + count) of R as the right side: [batch, count] x [count, hidden]
GemmArgs back_product(const RnnDims& d, int64_t count) {
  GemmArgs g;
  g.m = d.batch;
  g.n = d.hidden;
  g.k = count;
  g.a_row_stride = rnn_gates(d.kind) * d.hidden;
  g.ldc = d.hidden;
  g.packed_b = &kGemmAlignment;  // not null: sizes are asked for packed weights
  return g;
}

struct BackLayout {
  uint64_t r, r_candidate, dh, next, dc, product, ds, gemm, total;
};
BackLayout back_layout(Isa isa, const RnnDims& d, int threads) {
  const int64_t rows = rnn_gates(d.kind) * d.hidden, state = d.batch * d.hidden;
  const bool split = is_split(d);
  BackLayout l;
  l.r = 0;
  l.r_candidate = l.r + align64(packed_b_bytes(isa, split ? 2 * d.hidden : rows, d.hidden));
  l.dh = l.r_candidate + (split ? align64(packed_b_bytes(isa, d.hidden, d.hidden)) : 0);
  l.next = l.dh + float_bytes(state);
  l.dc = l.next + float_bytes(state);
  l.product = l.dc + float_bytes(state);
  l.ds = l.product + float_bytes(state);
  l.gemm = l.ds + float_bytes(d.linear_before_reset ? d.batch * rows : 0);
  uint64_t gemm_bytes = 0;
  for (const int64_t count : {rows, 2 * d.hidden, d.hidden}) {
    const uint64_t bytes = gemm_scratch_bytes(isa, back_product(d, count), threads);
    if (bytes > gemm_bytes) gemm_bytes = bytes;
  }
  l.total = l.gemm + align64(gemm_bytes);
  return l;
}

/// One direction while it runs backwards.
struct BackRunner {
  Isa isa;
  const RnnDims& d;
  const RnnGradArgs& a;
  const RnnGradTable& table;
  const BackLayout layout;
  unsigned char* scratch;
  const ParallelFor& parallel;
  BackLimits limits;

  int64_t rows() const { return rnn_gates(d.kind) * d.hidden; }
  float* part(uint64_t offset) const { return reinterpret_cast<float*>(scratch + offset); }
  int64_t length(int64_t b) const { return a.lengths == nullptr ? d.steps : a.lengths[b]; }
  float* da(int64_t t) const { return a.da + t * d.batch * rows(); }
  float* ds(int64_t t) const { return a.ds != nullptr ? a.ds + t * d.batch * rows() : part(layout.ds); }

  const float* state_before(int64_t b, int64_t t) const {
    const int64_t from = a.reverse ? t + 1 : t - 1;
    if (from < 0 || from >= length(b)) return a.initial == nullptr ? nullptr : a.initial + b * d.hidden;
    return d.kind == RnnKind::Lstm ? a.kept + (from * d.batch + b) * d.hidden : a.y + from * a.y_step + b * d.hidden;
  }
  BackRow row(int64_t b, int64_t t) const {
    const int64_t at = t * d.batch + b, state = b * d.hidden;
    BackRow r{};
    if (a.gates != nullptr) r.gates = a.gates + at * rows();
    if (a.kept != nullptr) r.kept = a.kept + at * d.hidden;
    if (d.kind == RnnKind::Lstm || d.kind == RnnKind::Gru) r.before = state_before(b, t);
    if (a.y != nullptr) r.y = a.y + t * a.y_step + state;
    if (a.dy != nullptr) r.dy = a.dy + t * a.y_step + state;
    r.p = a.p;
    r.dh = part(layout.dh) + state;
    r.dc = part(layout.dc) + state;
    r.da = da(t) + b * rows();
    r.ds = ds(t) + b * rows();
    r.product = part(layout.product) + state;
    return r;
  }

  void pack() const {
    const int64_t first = is_split(d) ? 2 * d.hidden : rows();
    pack_b(isa, {a.r, DType::F32, d.hidden, 1}, first, d.hidden, scratch + layout.r);
    if (is_split(d))
      pack_b(isa, {a.r + first * d.hidden, DType::F32, d.hidden, 1}, d.hidden, d.hidden, scratch + layout.r_candidate);
  }
  // out = left R + added
  void product(int64_t count, const float* left, uint64_t weights, const float* added, float* out) const {
    GemmArgs g = back_product(d, count);
    g.a = left;
    g.packed_b = scratch + weights;
    g.c = out;
    g.epilogue.residual = added;
    g.epilogue.residual_stride = d.hidden;
    gemm(isa, g, scratch + layout.gemm, parallel);
  }

  /// f(row) for each sequence that reaches t; nothing flows in the others.
  template <class F>
  void each_row(int64_t t, F&& f) const {
    parallel.chunks(d.batch, 2048 / d.hidden + 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; ++b) {
        const BackRow r = row(b, t);
        if (t < length(b)) {
          f(r);
          continue;
        }
        std::memset(r.da, 0, static_cast<size_t>(rows()) * sizeof(float));
        if (d.linear_before_reset) std::memset(r.ds, 0, static_cast<size_t>(rows()) * sizeof(float));
      }
    });
  }

  void step(int64_t t) const {
    float *dh = part(layout.dh), *next = part(layout.next);
    const float *left = da(t), *stays = nullptr;
    int64_t count = rows();
    if (d.kind == RnnKind::Lstm) {
      each_row(t, [&](const BackRow& r) { table.lstm(r, limits, d.hidden); });
    } else if (d.kind != RnnKind::Gru) {
      each_row(t, [&](const BackRow& r) { table.plain[d.kind == RnnKind::Relu ? 1 : 0](r, limits, d.hidden); });
    } else if (d.linear_before_reset) {
      each_row(t, [&](const BackRow& r) { table.gru_linear(r, limits, d.hidden); });
      left = ds(t);
      stays = dh;
    } else {
      each_row(t, [&](const BackRow& r) { table.gru_gates(r, limits, d.hidden); });
      product(d.hidden, left + 2 * d.hidden, layout.r_candidate, nullptr, part(layout.product));
      each_row(t, [&](const BackRow& r) { table.gru_reset(r, limits, d.hidden); });
      count = 2 * d.hidden;
      stays = dh;
    }
    product(count, left, layout.r, stays, next);
    const size_t bytes = static_cast<size_t>(d.hidden) * sizeof(float);
    for (int64_t b = 0; b < d.batch; ++b)
      if (t < length(b)) std::memcpy(dh + b * d.hidden, next + b * d.hidden, bytes);
  }
};

void copy_or_clear(const float* from, float* to, int64_t n) {
  if (to == nullptr || n == 0) return;
  if (from == nullptr) std::memset(to, 0, static_cast<size_t>(n) * sizeof(float));
  else std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace

uint64_t rnn_grad_scratch_bytes(Isa isa, const RnnDims& dims, int threads) { return back_layout(isa, dims, threads).total; }

void rnn_grad_f32(Isa isa, const RnnDims& dims, const RnnGradArgs& args, void* scratch, const ParallelFor& parallel) {
  const int64_t state = dims.batch * dims.hidden;
  if (state == 0) return;
  const BackRunner run{isa, dims, args, GF_SIMD_SELECT(isa, kRnnGradTable), back_layout(isa, dims, parallel.threads),
                       static_cast<unsigned char*>(scratch), parallel, {args.clip, args.input_forget}};
  copy_or_clear(args.d_last_h, run.part(run.layout.dh), state);
  copy_or_clear(args.d_last_c, run.part(run.layout.dc), state);
  run.pack();
  for (int64_t k = 0; k < dims.steps; ++k) run.step(args.reverse ? k : dims.steps - 1 - k);
  copy_or_clear(run.part(run.layout.dh), args.d_initial_h, state);
  if (dims.kind == RnnKind::Lstm) copy_or_clear(run.part(run.layout.dc), args.d_initial_c, state);
}

}  // namespace gf::simd
#endif
