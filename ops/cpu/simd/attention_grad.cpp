// Gradient of attention: per key head, loop over blocks of keys and of query rows: scores again, their softmax from the rows'
// greatest score and sum, dy v^T, then the three products that add to dq, dk and dv. Where all keys are one block, its softmax needs
// no pass of its own for the greatest score and the sum.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/attention_grad.cpp"
#include <cstring>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/attention_block.h"
#include "ops/cpu/simd/math-inl.h"

#ifndef GF_SIMD_ATTENTION_GRAD_TABLE
#define GF_SIMD_ATTENTION_GRAD_TABLE
namespace gf::simd {
/// One query head and the key head that it reads.
struct AttentionGradHead {
  const AttentionGradArgs* args;
  int64_t batch, head, kv_head;
  TransposeTile transpose;
  const AttentionSteps* steps;
  float* scratch;
};
struct AttentionGradTable {
  void (*head)(const AttentionGradHead& h);
};

constexpr int64_t kGradKeyBlock = 512;  // most keys per block: weights, gradients, keys and values stay in L2

/// Scratch of a worker, in floats.
struct AttentionGradScratch {
  int64_t width;                 // keys of a block, and the distance of rows below
  float *p, *ds, *raw;           // [kQueryBlock, width]: weights; gradients of the scores; scores before softcap
  float *keys, *values;          // [qk_dim, width], [v_dim, width]
  float *max, *inverse, *dot;    // of each query row: greatest score, 1 / sum, dy . y

  static int64_t width_of(int64_t kv_len) { return kv_len < kGradKeyBlock ? padded_keys(kv_len) : kGradKeyBlock; }
  AttentionGradScratch(float* at, const AttentionArgs& a)
      : width(width_of(a.kv_len)), p(at), ds(p + kQueryBlock * width), raw(ds + kQueryBlock * width), keys(raw + kQueryBlock * width),
        values(keys + a.qk_dim * width), max(values + a.v_dim * width), inverse(max + a.q_len), dot(inverse + a.q_len) {}
  static int64_t floats(int64_t q_len, int64_t kv_len, int64_t qk_dim, int64_t v_dim) {
    return ((3 * kQueryBlock + qk_dim + v_dim) * width_of(kv_len) + 3 * q_len + 15) / 16 * 16;
  }
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

constexpr float kNone = -__builtin_inff();

float dot_product(const float* x, const float* y, int64_t n) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  F32Vec sum = hn::Zero(d);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) sum = hn::MulAdd(hn::LoadU(d, x + j), hn::LoadU(d, y + j), sum);
  if (j < n) {
    const auto rest = static_cast<size_t>(n - j);
    sum = hn::MulAdd(load_n(d, x + j, rest), load_n(d, y + j, rest), sum);
  }
  return lanes_sum(d, sum);
}

/// How many of the keys [first, first + count) the rows of a block read, those before the last one included.
int64_t keys_read(const AttentionBlock& b, int64_t first, int64_t count) {
  int64_t end = first;
  for (int64_t r = 0; r < b.rows; ++r)
    if (b.low[r] < b.high[r] && b.low[r] < first + count && b.high[r] > end) end = b.high[r];
  return end - first < count ? end - first : count;
}

/// Calls f(b, row, used) for the blocks of query rows that read one of the keys [first, first + count): `used` of them.
template <class F>
HWY_INLINE void for_rows(const AttentionGradHead& h, int64_t first, int64_t count, F&& f) {
  const AttentionArgs& a = h.args->forward;
  AttentionBlock b;
  b.transpose = h.transpose;
  for (int64_t row = 0; row < a.q_len; row += kQueryBlock) {
    b.rows = a.q_len - row < kQueryBlock ? a.q_len - row : kQueryBlock;
    place_block(a, h.batch, h.head, h.kv_head, row, false, b);
    if (const int64_t used = keys_read(b, first, count); used > 0) f(b, row, used);
  }
}

// The greatest score and the sum of exponentials of every row, over all blocks of keys.
void statistics(const AttentionGradHead& h, const AttentionGradScratch& s) {
  const AttentionArgs& a = h.args->forward;
  const float* k = a.k + h.batch * a.k_strides.batch + h.kv_head * a.k_strides.head;
  for (int64_t first = 0; first < a.kv_len; first += kKeyBlock) {
    const int64_t count = a.kv_len - first < kKeyBlock ? a.kv_len - first : kKeyBlock;
    bool turned = false;
    for_rows(h, first, count, [&](const AttentionBlock& b, int64_t row, int64_t used) HWY_ATTR {
      if (!turned) transposed_rows(b, k + first * a.k_strides.row, a.k_strides.row, count, a.qk_dim, s.keys, s.width);
      turned = true;
      h.steps->product(b.q, b.q_row, s.keys, s.width, s.p, s.width, b.rows, padded_keys(used), a.qk_dim, false);
      for (int64_t r = 0; r < b.rows; ++r) {
        float *p = s.p + r * s.width, &max = s.max[row + r], &sum = s.inverse[row + r];
        h.steps->adjust(b, r, first, used, p);
        const float block_max = h.steps->greatest(p, used);
        const float new_max = (block_max > max || block_max != block_max) ? block_max : max;
        const float base = new_max == kNone ? 0.0f : new_max;
        sum = (max == kNone ? 0.0f : sum * std::exp(max - base)) + h.steps->exponentials(p, used, base);
        max = new_max;
      }
    });
  }
  for (int64_t r = 0; r < a.q_len; ++r) s.inverse[r] = s.inverse[r] == 0.0f ? 0.0f : 1.0f / s.inverse[r];
}

// Row r of p from scores to weights, and of ds from dy v^T to the gradient of q k^T. Columns behind `count` hold anything.
void weigh_row(const AttentionSteps& steps, const AttentionBlock& b, const AttentionGradScratch& s, int64_t row, int64_t r,
               int64_t first, int64_t count, bool whole) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const AttentionArgs& a = *b.args;
  float *p = s.p + r * s.width, *ds = s.ds + r * s.width;
  const float* raw = s.raw + r * s.width;
  steps.adjust(b, r, first, count, p);
  if (whole) s.max[row + r] = steps.greatest(p, count);
  const float max = s.max[row + r];
  const float sum = steps.exponentials(p, count, max == kNone ? 0.0f : max);
  if (whole) s.inverse[row + r] = sum == 0.0f ? 0.0f : 1.0f / sum;
  const F32Vec inverse = hn::Set(d, s.inverse[row + r]), dot = hn::Set(d, s.dot[row + r]), scale = hn::Set(d, a.scale);
  const F32Vec cap_scale = hn::Set(d, a.softcap > 0 ? a.scale / a.softcap : 0.0f);
  for (int64_t j = 0; j < count; j += lanes) {
    const F32Vec w = hn::Mul(hn::LoadU(d, p + j), inverse);
    F32Vec g = hn::Mul(hn::Mul(w, hn::Sub(hn::LoadU(d, ds + j), dot)), scale);
    if (a.softcap > 0) {
      const F32Vec t = tanh_of(hn::Mul(hn::LoadU(d, raw + j), cap_scale));
      g = hn::NegMulAdd(g, hn::Mul(t, t), g);
    }
    hn::StoreU(w, d, p + j);
    hn::StoreU(hn::IfThenElse(hn::Eq(w, hn::Zero(d)), hn::Zero(d), g), d, ds + j);  // nothing through a key that is not read
  }
}

void head_gradient(const AttentionGradHead& h) {
  const AttentionGradArgs& g = *h.args;
  const AttentionArgs& a = g.forward;
  const AttentionGradScratch s(h.scratch, a);
  const auto at = [](auto* x, const HeadStrides& t, int64_t batch, int64_t head) { return x + batch * t.batch + head * t.head; };
  const float *y = at(g.y, a.out_strides, h.batch, h.head), *dy = at(g.dy, a.out_strides, h.batch, h.head);
  const float *k = at(a.k, a.k_strides, h.batch, h.kv_head), *v = at(a.v, a.v_strides, h.batch, h.kv_head);
  float *dq = at(g.dq, a.q_strides, h.batch, h.head), *dk = at(g.dk, a.k_strides, h.batch, h.kv_head);
  float* dv = at(g.dv, a.v_strides, h.batch, h.kv_head);
  const int64_t y_row = a.out_strides.row, k_row = a.k_strides.row, v_row = a.v_strides.row;
  for (int64_t r = 0; r < a.q_len; ++r) {
    s.max[r] = kNone;
    s.inverse[r] = 0.0f;
    s.dot[r] = dot_product(y + r * y_row, dy + r * y_row, a.v_dim);
    std::memset(dq + r * a.q_strides.row, 0, static_cast<size_t>(a.qk_dim) * sizeof(float));
  }
  const bool whole = a.kv_len <= s.width;
  if (!whole) statistics(h, s);
  for (int64_t first = 0; first < a.kv_len; first += s.width) {
    const int64_t count = a.kv_len - first < s.width ? a.kv_len - first : s.width;
    bool turned = false;
    for_rows(h, first, count, [&](const AttentionBlock& b, int64_t row, int64_t used) HWY_ATTR {
      if (!turned) {
        transposed_rows(b, k + first * k_row, k_row, count, a.qk_dim, s.keys, s.width);
        transposed_rows(b, v + first * v_row, v_row, count, a.v_dim, s.values, s.width);
      }
      turned = true;
      const float* dy_row = dy + row * y_row;
      const int64_t padded = padded_keys(used);
      h.steps->product(b.q, b.q_row, s.keys, s.width, s.p, s.width, b.rows, padded, a.qk_dim, false);
      h.steps->product(dy_row, y_row, s.values, s.width, s.ds, s.width, b.rows, padded, a.v_dim, false);
      if (a.softcap > 0) std::memcpy(s.raw, s.p, static_cast<size_t>(b.rows * s.width) * sizeof(float));
      for (int64_t r = 0; r < b.rows; ++r) weigh_row(*h.steps, b, s, row, r, first, used, whole);
      h.steps->product(s.ds, s.width, k + first * k_row, k_row, dq + row * a.q_strides.row, a.q_strides.row, b.rows, a.qk_dim, used, true);
      h.steps->turned_product(s.ds, s.width, b.q, b.q_row, dk + first * k_row, k_row, used, a.qk_dim, b.rows, true);
      h.steps->turned_product(s.p, s.width, dy_row, y_row, dv + first * v_row, v_row, used, a.v_dim, b.rows, true);
    });
  }
}

constexpr AttentionGradTable kAttentionGradTable = {head_gradient};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

size_t attention_grad_scratch_bytes_per_worker(int64_t q_len, int64_t kv_len, int64_t qk_dim, int64_t v_dim) {
  return sizeof(float) * static_cast<size_t>(AttentionGradScratch::floats(q_len, kv_len, qk_dim, v_dim));
}

void attention_grad_f32(Isa isa, const AttentionGradArgs& args, void* scratch, const ParallelFor& parallel) {
  const AttentionArgs& a = args.forward;
  if (a.batch <= 0 || a.kv_heads <= 0) return;
  const AttentionGradTable& table = GF_SIMD_SELECT(isa, kAttentionGradTable);
  const TransposeTile transpose = transpose_tile(isa, 4);
  const AttentionSteps& steps = attention_steps(isa);
  const int64_t group = a.q_heads / a.kv_heads;
  const size_t worker_floats = attention_grad_scratch_bytes_per_worker(a.q_len, a.kv_len, a.qk_dim, a.v_dim) / sizeof(float);
  parallel(a.batch * a.kv_heads, [&](int64_t task, int worker) {
    const int64_t n = task / a.kv_heads, kv_head = task % a.kv_heads;
    for (int64_t j = 0; j < a.kv_len; ++j) {
      float* dk = args.dk + n * a.k_strides.batch + kv_head * a.k_strides.head + j * a.k_strides.row;
      float* dv = args.dv + n * a.v_strides.batch + kv_head * a.v_strides.head + j * a.v_strides.row;
      std::memset(dk, 0, static_cast<size_t>(a.qk_dim) * sizeof(float));
      std::memset(dv, 0, static_cast<size_t>(a.v_dim) * sizeof(float));
    }
    float* own = static_cast<float*>(scratch) + static_cast<size_t>(worker) * worker_floats;
    for (int64_t k = 0; k < group; ++k) table.head({&args, n, kv_head * group + k, kv_head, transpose, &steps, own});
  });
}

}  // namespace gf::simd
#endif
