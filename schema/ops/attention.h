// attention: softmax(softcap(scale * q k^T) + mask) v (ONNX Attention; Vaswani et al. 2017, grouped queries: Ainslie et
// al. 2023). Inputs q, k, v of rank 4 in the layout given; mask (optional: bool, true may be read, or float, added),
// broadcast to [batch, heads, q_len, kv_len]; lengths (optional, int64 [batch]): keys from there on do not exist;
// offset (optional, one int64): how many keys stand before the first query. Outputs y (layout of q) and, when read,
// scores [batch, heads, q_len, kv_len] at the stage that `scores` names. A query without any key gives 0.
#pragma once

#include <cmath>

#include "schema/formula.h"
#include "schema/ops/expand.h"
#include "schema/ops/reshape.h"

namespace gf {

/// Order of the axes of q, k, v and y. Values stand in files.
enum class AttentionLayout : uint8_t {
  HeadsFirst = 0,  ///< [batch, heads, length, dim]
  HeadsInner = 1,  ///< [batch, length, heads, dim]
};
/// What output 1 holds. Values stand in files (and are ONNX's).
enum class AttentionScores : uint8_t { Product = 0, SoftCapped = 1, Masked = 2, Softmax = 3 };

}  // namespace gf

namespace gf::op {

struct Attention {
  static constexpr OpInfo info{
      .id = 320, .name = "attention", .min_inputs = 3, .max_inputs = 6, .min_outputs = 1, .max_outputs = 2};
  struct Attrs {
    AttentionLayout layout = AttentionLayout::HeadsFirst;
    float scale = 0;            ///< of the product; 0: 1 / sqrt(dim of q)
    float softcap = 0;          ///< > 0: scores become softcap * tanh(score / softcap)
    bool is_causal = false;     ///< query i reads keys up to i + offset
    int64_t left_window = -1;   ///< query i reads keys from i + offset - left_window; -1: no bound
    int64_t right_window = -1;  ///< ... up to i + offset + right_window; -1: no bound
    AttentionScores scores = AttentionScores::Product;
  };
  static constexpr AttrField fields[] = {field<&Attrs::layout>(1, "layout", 0, 1),
                                         field<&Attrs::scale>(2, "scale"),
                                         field<&Attrs::softcap>(3, "softcap"),
                                         field<&Attrs::is_causal>(4, "is_causal"),
                                         field<&Attrs::left_window>(5, "left_window", -1),
                                         field<&Attrs::right_window>(6, "right_window", -1),
                                         field<&Attrs::scores>(7, "scores", 0, 3)};

  static Error infer(InferContext& c, const Attrs& a) {
    DimShape out, scores;
    GF_TRY(check(c, a, out, scores));
    GF_TRY(c.set(0, c.dtype(0), out));
    return c.set(1, c.dtype(0), scores);
  }
  /// What q, k, v and, from input `rest` on, mask, lengths and offset must be; the shapes of y and of the scores.
  static Error check(InferContext& c, const Attrs& a, DimShape& out, DimShape& scores, int rest = 3) {
    GF_TRY(c.expect_type(0, kFloats));
    for (const int i : {0, 1, 2}) GF_TRY(c.expect_rank(i, 4));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_same_type(0, 2));
    if (a.softcap < 0)
      return c.fail(Error::BadAttribute, "softcap is %g, must not be negative", static_cast<double>(a.softcap));
    const int heads = a.layout == AttentionLayout::HeadsFirst ? 1 : 2, length = 3 - heads;
    const DimShape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
    GF_TRY(c.expect_equal(q[0], k[0], "q and k differ in batch"));
    GF_TRY(c.expect_equal(q[0], v[0], "q and v differ in batch"));
    GF_TRY(c.expect_equal(q[3], k[3], "q and k differ in their last axis"));
    GF_TRY(c.expect_equal(k[length], v[length], "k and v differ in length"));
    GF_TRY(c.expect_equal(k[heads], v[heads], "k and v differ in heads"));
    if (q[heads].is_const() && k[heads].is_const() && (k[heads].lo < 1 || q[heads].lo % k[heads].lo != 0))
      return c.fail(Error::ShapeMismatch, "%lld query heads are no multiple of %lld key heads",
                    static_cast<long long>(q[heads].lo), static_cast<long long>(k[heads].lo));
    for (const Dim d : {q[0], q[heads], q[length], k[length]}) scores.push(d);
    GF_TRY(check_mask(c, scores, rest));
    if (const int lengths = rest + 1; c.has_input(lengths)) {
      GF_TRY(c.expect_type(lengths, dtypes(DType::I64)));
      GF_TRY(c.expect_rank(lengths, 1));
      GF_TRY(c.expect_equal(c.shape(lengths)[0], q[0], "one length per batch entry is needed"));
    }
    if (const int offset = rest + 2; c.has_input(offset)) {
      GF_TRY(c.expect_type(offset, dtypes(DType::I64)));
      GF_TRY(c.expect_equal(c.count(c.shape(offset)), 1, "the offset must be one element"));
    }
    out = q;
    out[3] = v[3];
    return Error::Ok;
  }
  /// Every query meets every key, whatever the mask says: q k^T and p v.
  static uint64_t macs(const NodeShapes& s, const Attrs& a) {
    const int heads = a.layout == AttentionLayout::HeadsFirst ? 1 : 2, length = 3 - heads;
    const uint64_t rows = saturating_product(saturating_product(s.size(0, 0), s.size(0, heads)), s.size(0, length));
    return saturating_product(saturating_product(rows, s.size(1, length)), s.size(0, 3) + s.size(2, 3));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // attention_grad; the expansion where mask or scores have a gradient

  /// The operation up to its softmax, in base ops: what expand() and the formula of attention_grad begin with.
  struct Weights {
    Var q, k, v;             ///< heads first, keys and values repeated for every query head
    Var product, capped, s;  ///< scores: times scale, after softcap, masked
    Var allowed;             ///< which keys may be read; empty: all
    Var p;                   ///< softmax of s; 0 for a query without any key
    double scale = 1;
  };
  static Error weights(Expander& e, const Attrs& a, Weights& w, int rest = 3) {
    w.q = heads_first(e, a, e.input(0));
    const Dim groups = e.shape(w.q)[1], dim = e.shape(w.q)[3];
    w.k = heads_first(e, a, e.input(1));
    w.v = heads_first(e, a, e.input(2));
    const Dim kv_heads = e.shape(w.k)[1];
    if (!kv_heads.same(groups)) {
      if (!groups.is_const() || !kv_heads.is_const() || kv_heads.lo < 1)
        return e.fail(Error::Unsupported, "attention with an unknown number of heads");
      w.k = repeat_heads(e, w.k, groups.lo / kv_heads.lo);
      w.v = repeat_heads(e, w.v, groups.lo / kv_heads.lo);
    }
    if (a.scale == 0 && !dim.is_const())
      return e.fail(Error::Unsupported, "attention with an unknown size of head and no scale");
    w.scale = a.scale != 0 ? static_cast<double>(a.scale) : 1 / std::sqrt(static_cast<double>(dim.lo));
    w.product = w.capped = e.matmul(w.q, e.swap_last_axes(w.k)) * w.scale;
    const double cap = static_cast<double>(a.softcap);
    if (cap > 0) w.capped = e.tanh(w.product / cap) * cap;
    w.s = w.capped;
    const Var low = e.scalar(e.dtype(w.s), -std::numeric_limits<double>::infinity());
    const Var mask = e.input(rest);
    w.allowed = may_read(e, a, w.q, w.k, rest);
    const bool adds = mask && e.dtype(mask) != DType::Bool;
    if (adds) w.s = w.s + mask;
    if (w.allowed) w.s = e.where(w.allowed, w.s, low);
    w.p = e.softmax(w.s, -1);
    if (w.allowed || adds) {  // a row without any key gives 0, not NaN; NaN in the data stays
      static constexpr int64_t kLast[] = {-1};
      w.p = e.where(e.equal(e.reduce_max(w.s, kLast), low), e.scalar(e.dtype(w.s), 0), w.p);
    }
    return e.error();
  }
  static Error expand(Expander& e, const Attrs& a) {
    Weights w;
    GF_TRY(weights(e, a, w));
    const Var stages[] = {w.product, w.capped, w.s, w.p};
    if (e.wants_output(1)) e.output(1, stages[static_cast<int>(a.scores)]);
    return e.finish(heads_first(e, a, e.matmul(w.p, w.v)));
  }
  /// From the layout to [batch, heads, length, dim] and back.
  static Var heads_first(Expander& e, const Attrs& a, Var x) {
    return a.layout == AttentionLayout::HeadsInner ? e.transpose(x, {0, 2, 1, 3}) : x;
  }

 private:
  // Every key head serves `times` query heads that follow each other.
  static Var repeat_heads(Expander& e, Var x, int64_t times) {
    const Var wide = e.unsqueeze(x, {2});
    const Var ones = e.ints({1, 1, times, 1, 1});
    const Var spread = e.node<Expand>({wide, ones});
    const Dim heads = e.shape(x)[1];
    const Var dims = e.concat({e.size_of(x, 0), e.ints({heads.lo * times}), e.size_of(x, 2), e.size_of(x, 3)}, 0);
    return e.node<Reshape>({spread, dims});
  }
  // Which keys each query may read, broadcast to the scores; empty: all of them. Query i stands at position i + offset,
  // that input, or the length of its batch entry minus the queries, or 0.
  static Var may_read(Expander& e, const Attrs& a, Var q, Var k, int rest) {
    const Var mask = e.input(rest), lengths = e.input(rest + 1), offset = e.input(rest + 2);
    Var allowed = mask && e.dtype(mask) == DType::Bool ? mask : Var{};
    const bool windowed = a.is_causal || a.left_window >= 0 || a.right_window >= 0;
    if (!lengths && !windowed) return allowed;
    const Var keys = e.count_up(e.size_of(k, 2));
    Var ends;  // [batch, 1, 1, 1]
    if (lengths) {
      ends = e.unsqueeze(lengths, {1, 2, 3});
      allowed = e.logical_and(allowed, e.less(keys, ends));
    }
    if (!windowed) return allowed;
    Var position = e.unsqueeze(e.count_up(e.size_of(q, 2)), {1});
    if (offset) position = position + e.reshape(offset, {1});
    else if (lengths) position = position + (ends - e.size_of(q, 2));
    if (a.is_causal) allowed = e.logical_and(allowed, e.less_or_equal(keys, position));
    if (a.right_window >= 0)
      allowed = e.logical_and(allowed, e.less_or_equal(keys, position + static_cast<double>(a.right_window)));
    if (a.left_window >= 0)
      allowed = e.logical_and(allowed, e.less_or_equal(position - static_cast<double>(a.left_window), keys));
    return allowed;
  }
  static Error check_mask(InferContext& c, const DimShape& scores, int input) {
    if (!c.has_input(input)) return Error::Ok;
    if (c.dtype(input) != DType::Bool) GF_TRY(c.expect_same_type(0, input));
    const DimShape& mask = c.shape(input);
    if (mask.rank > 4) return c.fail(Error::ShapeMismatch, "the mask has rank %d, at most 4 is allowed", mask.rank);
    for (int d = 0; d < mask.rank; ++d) {
      const Dim have = mask[d], want = scores[d + 4 - mask.rank];
      if (have.is_const() && have.lo != 1 && want.is_const() && have.lo != want.lo)
        return c.fail(Error::ShapeMismatch, "axis %d of the mask is %lld; the scores have %lld there", d,
                      static_cast<long long>(have.lo), static_cast<long long>(want.lo));
    }
    return Error::Ok;
  }
};

}  // namespace gf::op
