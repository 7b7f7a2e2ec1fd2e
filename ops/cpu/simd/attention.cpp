// Attention: per block of query rows, loop over blocks of keys: scores, running softmax, weighted sum of values.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/attention.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/attention_block.h"
#include "ops/cpu/simd/reduce-inl.h"

#ifndef GF_SIMD_ATTENTION_TABLE
#define GF_SIMD_ATTENTION_TABLE
namespace gf::simd {
struct AttentionTable {
  void (*block)(const AttentionBlock& b);
  AttentionSteps steps;
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

#if GF_SMALL_LOOPS

// C[kRows, cols] (+)= A[kRows, depth] B[depth, cols] for whole pairs of vectors: 8 sums, since V8 keeps more of them in memory.
template <int kRows>
HWY_NOINLINE void product_rows(const float* a, ptrdiff_t a_row, ptrdiff_t a_step, const float* b, ptrdiff_t b_row, float* c, ptrdiff_t c_row,
                               ptrdiff_t cols, ptrdiff_t depth, bool accumulate) {
  const F32Tag d;
  for (ptrdiff_t j = 0; j + 8 <= cols; j += 8) {
    F32Vec acc[kRows][2];
    const float* from[kRows];  // moved along: Emscripten's compiler computes every index anew
    for (int r = 0; r < kRows; ++r) {
      from[r] = a + r * a_row;
      for (int v = 0; v < 2; ++v) acc[r][v] = accumulate ? hn::LoadU(d, c + r * c_row + j + v * 4) : hn::Zero(d);
    }
    const float* p = b + j;
    for (ptrdiff_t k = 0; k < depth; ++k, p += b_row) {
      const F32Vec low = hn::LoadU(d, p), high = hn::LoadU(d, p + 4);
      for (int r = 0; r < kRows; ++r) {
        const F32Vec x = hn::Set(d, *from[r]);
        from[r] += a_step;
        acc[r][0] = hn::MulAdd(x, low, acc[r][0]);
        acc[r][1] = hn::MulAdd(x, high, acc[r][1]);
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < 2; ++v) hn::StoreU(acc[r][v], d, c + r * c_row + j + v * 4);
  }
}

void product_of(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_row, float* c, int64_t c_row, int64_t rows,
                int64_t cols, int64_t depth, bool accumulate) {
  const auto row = static_cast<ptrdiff_t>(a_row), step = static_cast<ptrdiff_t>(a_step), of_b = static_cast<ptrdiff_t>(b_row);
  const auto of_c = static_cast<ptrdiff_t>(c_row), all = static_cast<ptrdiff_t>(rows), width = static_cast<ptrdiff_t>(cols);
  const auto deep = static_cast<ptrdiff_t>(depth);
  ptrdiff_t r = 0;
  for (; r + 4 <= all; r += 4) product_rows<4>(a + r * row, row, step, b, of_b, c + r * of_c, of_c, width, deep, accumulate);
  for (; r < all; ++r) product_rows<1>(a + r * row, row, step, b, of_b, c + r * of_c, of_c, width, deep, accumulate);
  for (r = 0; r < all; ++r) {  // dimensions of heads are multiples of 8, nearly always
    for (ptrdiff_t j = width & ~ptrdiff_t{7}; j < width; ++j) {
      float sum = accumulate ? c[r * of_c + j] : 0.0f;
      for (ptrdiff_t k = 0; k < deep; ++k) sum += a[r * row + k * step] * b[k * of_b + j];
      c[r * of_c + j] = sum;
    }
  }
}
template <bool kTurned>
void product(const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row, int64_t rows, int64_t cols,
             int64_t depth, bool accumulate) {
  product_of(a, kTurned ? 1 : a_row, kTurned ? a_row : 1, b, b_row, c, c_row, rows, cols, depth, accumulate);
}

#else

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileRows = 12, kTurnedRows = 8;  // 24 and 16 accumulators of 32 registers
#elif HWY_TARGET == HWY_NEON
constexpr int kTileRows = 8, kTurnedRows = 8;
#else
constexpr int kTileRows = 6, kTurnedRows = 4;   // 12 accumulators of 16 registers
#endif

// C[kRows, kVectors] (+)= A[kRows, depth] B[depth, kVectors]; the last vector holds `partial` columns when kPartial. Rows of A
// are a_row apart; with kTurned its columns are, and rows lie side by side.
template <bool kTurned, int kRows, int kVectors, bool kPartial>
HWY_INLINE void product_tile(const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row,
                             int64_t depth, size_t partial, bool accumulate) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto load = [&](const float* p) HWY_ATTR { return kPartial ? load_n(d, p, partial) : hn::LoadU(d, p); };
  F32Vec acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) acc[r][v] = accumulate ? load(c + r * c_row + v * lanes) : hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k, b += b_row) {
    F32Vec row[kVectors];
    for (int v = 0; v < kVectors; ++v) row[v] = load(b + v * lanes);
    for (int r = 0; r < kRows; ++r) {
      const F32Vec x = hn::Set(d, kTurned ? a[k * a_row + r] : a[r * a_row + k]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(x, row[v], acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      if constexpr (kPartial) store_n(d, acc[r][v], c + r * c_row, partial);
      else hn::StoreU(acc[r][v], d, c + r * c_row + v * lanes);
    }
  }
}

template <bool kTurned, int kRows>
HWY_NOINLINE void product_rows(const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row,
                               int64_t cols, int64_t depth, bool accumulate) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32Tag()));
  int64_t j = 0;
  for (; j + 2 * lanes <= cols; j += 2 * lanes) {
    product_tile<kTurned, kRows, 2, false>(a, a_row, b + j, b_row, c + j, c_row, depth, 0, accumulate);
  }
  for (; j + lanes <= cols; j += lanes) {
    product_tile<kTurned, kRows, 1, false>(a, a_row, b + j, b_row, c + j, c_row, depth, 0, accumulate);
  }
}

template <bool kTurned>
void product(const float* a, int64_t a_row, const float* b, int64_t b_row, float* c, int64_t c_row, int64_t rows,
             int64_t cols, int64_t depth, bool accumulate) {
  constexpr int kMost = kTurned ? kTurnedRows : kTileRows;
  const int64_t step = kTurned ? 1 : a_row;  // from a row of A to the next
  const int64_t whole = cols - cols % static_cast<int64_t>(hn::Lanes(F32Tag()));
  int64_t r = 0;
  for (; r + kMost <= rows; r += kMost)
    product_rows<kTurned, kMost>(a + r * step, a_row, b, b_row, c + r * c_row, c_row, whole, depth, accumulate);
  for (; !kTurned && r + 4 <= rows; r += 4)
    product_rows<kTurned, kTurned ? 1 : 4>(a + r * step, a_row, b, b_row, c + r * c_row, c_row, whole, depth, accumulate);
  for (; r < rows; ++r)
    product_rows<kTurned, 1>(a + r * step, a_row, b, b_row, c + r * c_row, c_row, whole, depth, accumulate);
  if (whole == cols) return;
  const auto rest = static_cast<size_t>(cols - whole);
  for (r = 0; !kTurned && r + 4 <= rows; r += 4)
    product_tile<kTurned, kTurned ? 1 : 4, 1, true>(a + r * step, a_row, b + whole, b_row, c + r * c_row + whole, c_row, depth, rest, accumulate);
  for (; r < rows; ++r)
    product_tile<kTurned, 1, 1, true>(a + r * step, a_row, b + whole, b_row, c + r * c_row + whole, c_row, depth, rest, accumulate);
}

#endif

// scores[r][j] = q[r] . k[j] for few rows: vectors along the head's dimension, four keys at a time.
void dot_products(const AttentionBlock& b, const float* keys, int64_t count, float* scores) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t dim = b.args->qk_dim, step = b.args->k_strides.row;
  for (int64_t r = 0; r < b.rows; ++r) {
    const float* q = b.q + r * b.q_row;
    for (int64_t j = 0; j < count; j += 4) {
      const int64_t used = count - j < 4 ? count - j : 4;
      const float* p[4];
      for (int64_t u = 0; u < 4; ++u) p[u] = keys + (j + (u < used ? u : 0)) * step;
      F32Vec acc[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      int64_t i = 0;
      for (; i + lanes <= dim; i += lanes) {
        const F32Vec x = hn::LoadU(d, q + i);
        for (int u = 0; u < 4; ++u) acc[u] = hn::MulAdd(x, hn::LoadU(d, p[u] + i), acc[u]);
      }
      if (i < dim) {
        const auto rest = static_cast<size_t>(dim - i);
        const F32Vec x = load_n(d, q + i, rest);
        for (int u = 0; u < 4; ++u) acc[u] = hn::MulAdd(x, load_n(d, p[u] + i, rest), acc[u]);
      }
      for (int64_t u = 0; u < used; ++u) scores[r * kKeyBlock + j + u] = lanes_sum(d, acc[u]);
    }
  }
}

// Scale, softcap, bias, mask and window of one row of scores for keys [first, first + count).
void adjust_row(const AttentionBlock& b, int64_t r, int64_t first, int64_t count, float* s) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const AttentionArgs& a = *b.args;
  const F32Vec scale = hn::Set(d, a.scale);
  const F32Vec cap = hn::Set(d, a.softcap), cap_scale = hn::Set(d, a.softcap > 0 ? a.scale / a.softcap : 0.0f);
  const float* bias = b.bias == nullptr ? nullptr : b.bias + r * b.bias_row + first * b.bias_key;
  const F32Vec same_bias = hn::Set(d, bias == nullptr ? 0.0f : *bias);
  for (int64_t j = 0; j < count; j += lanes) {  // rows of scores are padded to whole vectors
    F32Vec x = hn::LoadU(d, s + j);
    x = a.softcap > 0 ? hn::Mul(cap, tanh_of(hn::Mul(x, cap_scale))) : hn::Mul(x, scale);
    if (bias != nullptr) {
      const auto rest = static_cast<size_t>(count - j);
      const bool whole = count - j >= lanes;
      x = hn::Add(x, b.bias_key == 0 ? same_bias : whole ? hn::LoadU(d, bias + j) : load_n(d, bias + j, rest));
    }
    hn::StoreU(x, d, s + j);
  }
  constexpr float kNone = -__builtin_inff();
  if (b.mask != nullptr) {
    const uint8_t* m = b.mask + r * b.mask_row + first * b.mask_key;
    for (int64_t j = 0; j < count; ++j) s[j] = m[j * b.mask_key] != 0 ? s[j] : kNone;
  }
  for (int64_t j = 0; j < count && first + j < b.low[r]; ++j) s[j] = kNone;
  for (int64_t j = count - 1; j >= 0 && first + j >= b.high[r]; --j) s[j] = kNone;
}

// s = e^(s - max) in place; returns the sum.
float exponentials(float* s, int64_t n, float max) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec bias = hn::Set(d, max);
  F32Vec sum = hn::Zero(d);
#if GF_SMALL_LOOPS
  for (int64_t j = 0; j < n; j += lanes) {
    const auto count = static_cast<size_t>(n - j < lanes ? n - j : lanes);
    const F32Vec y = v_exp_negative(d, hn::Sub(load_up_to(d, s + j, count), bias));
    store_up_to(d, y, s + j, count);
    sum = hn::Add(sum, count == hn::Lanes(d) ? y : hn::IfThenElseZero(hn::FirstN(d, count), y));
  }
#else
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const F32Vec y = v_exp_negative(d, hn::Sub(hn::LoadU(d, s + j), bias));
    sum = hn::Add(sum, y);
    hn::StoreU(y, d, s + j);
  }
#if HWY_TARGET != HWY_SCALAR
  if (j < n) {
    const auto rest = static_cast<size_t>(n - j);
    const F32Vec y = v_exp_negative(d, hn::Sub(load_n(d, s + j, rest), bias));
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, rest), y));
    store_n(d, y, s + j, rest);
  }
#endif
#endif
  return lanes_sum(d, sum);
}

float greatest(const float* s, int64_t n) { return reduce_row<AccMax>(s, n); }

GF_ROW_LOOP void scale_row(float* p, int64_t n, float factor) {
  const F32Vec f = hn::Set(F32Tag(), factor);
  for_vectors(n, [&](int64_t j, auto load, auto store) HWY_ATTR { store(hn::Mul(load(p + j), f), p + j); });
}

void attention_block(const AttentionBlock& b) {
  const AttentionArgs& a = *b.args;
  float* scores = b.scratch;                         // [kQueryBlock, kKeyBlock]
  float* keys = scores + kQueryBlock * kKeyBlock;    // [qk_dim, kKeyBlock]
  float max[kQueryBlock], sum[kQueryBlock];
  constexpr float kNone = -__builtin_inff();
  int64_t low = a.kv_len, high = 0;
  for (int64_t r = 0; r < b.rows; ++r) {
    max[r] = kNone;
    sum[r] = 0.0f;
    if (b.low[r] >= b.high[r]) continue;
    low = low < b.low[r] ? low : b.low[r];
    high = high > b.high[r] ? high : b.high[r];
  }
  bool first_block = true;
  for (int64_t first = low; first < high; first += kKeyBlock) {
    const int64_t count = high - first < kKeyBlock ? high - first : kKeyBlock;
    const float* k = b.k + first * a.k_strides.row;
    if (b.rows <= kDotRows) {
      dot_products(b, k, count, scores);
    } else {
      transposed_rows(b, k, a.k_strides.row, count, a.qk_dim, keys, kKeyBlock);
      product<false>(b.q, b.q_row, keys, kKeyBlock, scores, kKeyBlock, b.rows, padded_keys(count), a.qk_dim, false);
    }
    for (int64_t r = 0; r < b.rows; ++r) {
      float* s = scores + r * kKeyBlock;
      adjust_row(b, r, first, count, s);
      const float block_max = greatest(s, count);
      const float new_max = (block_max > max[r] || block_max != block_max) ? block_max : max[r];
      const float base = new_max == kNone ? 0.0f : new_max;  // nothing to read so far: every term is 0
      const float block_sum = exponentials(s, count, base);
      if (!first_block) {
        const float keep = max[r] == kNone ? 0.0f : std::exp(max[r] - base);
        if (keep != 1.0f) scale_row(b.out + r * b.out_row, a.v_dim, keep);
        sum[r] = sum[r] * keep + block_sum;
      } else {
        sum[r] = block_sum;
      }
      max[r] = new_max;
    }
    product<false>(scores, kKeyBlock, b.v + first * a.v_strides.row, a.v_strides.row, b.out, b.out_row, b.rows, a.v_dim,
                   count, !first_block);
    first_block = false;
  }
  for (int64_t r = 0; r < b.rows; ++r) {
    float* out = b.out + r * b.out_row;
    if (first_block || sum[r] == 0.0f) {
      for (int64_t j = 0; j < a.v_dim; ++j) out[j] = 0.0f;
    } else {
      scale_row(out, a.v_dim, 1.0f / sum[r]);
    }
  }
}

constexpr AttentionTable kAttentionTable = {attention_block, {product<false>, product<true>, adjust_row, greatest, exponentials}};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

int64_t clamp_key(int64_t x, int64_t high) { return x < 0 ? 0 : x > high ? high : x; }

void set_ranges(const AttentionArgs& a, int64_t batch, int64_t first_row, bool rows_are_heads, AttentionBlock& b) {
  const int64_t length = a.kv_lengths == nullptr ? a.kv_len : clamp_key(a.kv_lengths[batch], a.kv_len);
  const int64_t offset = a.offset_from_lengths && a.kv_lengths != nullptr ? a.kv_lengths[batch] - a.q_len : a.offset;
  for (int64_t r = 0; r < b.rows; ++r) {
    const int64_t p = (rows_are_heads ? 0 : first_row + r) + offset;
    b.low[r] = a.left_window < 0 ? 0 : clamp_key(p - a.left_window, length);
    b.high[r] = a.right_window < 0 ? length : clamp_key(p + a.right_window + 1, length);
  }
}

}  // namespace

void place_block(const AttentionArgs& a, int64_t batch, int64_t head, int64_t kv_head, int64_t row, bool rows_are_heads,
                 AttentionBlock& b) {
  b.args = &a;
  b.q = a.q + batch * a.q_strides.batch + head * a.q_strides.head + row * a.q_strides.row;
  b.k = a.k + batch * a.k_strides.batch + kv_head * a.k_strides.head;
  b.v = a.v + batch * a.v_strides.batch + kv_head * a.v_strides.head;
  b.out = a.out == nullptr ? nullptr : a.out + batch * a.out_strides.batch + head * a.out_strides.head + row * a.out_strides.row;
  const auto place = [&](const int64_t (&s)[4]) { return batch * s[0] + head * s[1] + row * s[2]; };
  b.bias = a.bias == nullptr ? nullptr : a.bias + place(a.bias_strides);
  b.mask = a.mask == nullptr ? nullptr : a.mask + place(a.mask_strides);
  b.q_row = rows_are_heads ? a.q_strides.head : a.q_strides.row;
  b.out_row = rows_are_heads ? a.out_strides.head : a.out_strides.row;
  b.bias_row = a.bias_strides[rows_are_heads ? 1 : 2];
  b.mask_row = a.mask_strides[rows_are_heads ? 1 : 2];
  b.bias_key = a.bias_strides[3];
  b.mask_key = a.mask_strides[3];
  set_ranges(a, batch, row, rows_are_heads, b);
}

void transposed_rows(const AttentionBlock& b, const float* rows, int64_t row, int64_t count, int64_t dim, float* to, int64_t width) {
  const int64_t padded = padded_keys(count);
  b.transpose(rows, row, to, width, count, dim);
  for (int64_t i = 0; padded > count && i < dim; ++i) {
    for (int64_t j = count; j < padded; ++j) to[i * width + j] = 0.0f;
  }
}

const AttentionSteps& attention_steps(Isa isa) { return (GF_SIMD_SELECT(isa, kAttentionTable)).steps; }

size_t attention_scratch_bytes_per_worker(int64_t qk_dim) {
  return sizeof(float) * static_cast<size_t>((kQueryBlock + qk_dim) * kKeyBlock);
}

void attention_f32(Isa isa, const AttentionArgs& args, void* scratch, const ParallelFor& parallel) {
  const AttentionArgs& a = args;
  if (a.batch <= 0 || a.q_heads <= 0 || a.q_len <= 0 || a.v_dim <= 0) return;
  const AttentionTable& table = GF_SIMD_SELECT(isa, kAttentionTable);
  const TransposeTile transpose = transpose_tile(isa, 4);
  const int64_t group = a.q_heads / a.kv_heads;
  // One query position (decoding): the heads of a group are the rows, so that they read their keys once.
  const bool heads = a.q_len == 1 && group > 1;
  const int64_t rows = heads ? group : a.q_len, outer = heads ? a.kv_heads : a.q_heads;
  const int64_t blocks = (rows + kQueryBlock - 1) / kQueryBlock;
  const size_t worker_floats = attention_scratch_bytes_per_worker(a.qk_dim) / sizeof(float);
  parallel(a.batch * outer * blocks, [&](int64_t task, int worker) {
    const int64_t n = task / (outer * blocks), unit = task / blocks % outer, first = task % blocks * kQueryBlock;
    const int64_t head = heads ? unit * group + first : unit, row = heads ? 0 : first;
    const int64_t kv_head = heads ? unit : unit / group;
    AttentionBlock b;
    b.rows = rows - first < kQueryBlock ? rows - first : kQueryBlock;
    place_block(a, n, head, kv_head, row, heads, b);
    b.transpose = transpose;
    b.scratch = static_cast<float*>(scratch) + static_cast<size_t>(worker) * worker_floats;
    table.block(b);
  });
}

}  // namespace gf::simd
#endif
