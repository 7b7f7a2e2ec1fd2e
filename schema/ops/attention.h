// attention: softmax(softcap(scale * q k^T) + mask) v (ONNX Attention; Vaswani et al. 2017, grouped queries: Ainslie et
// al. 2023). Inputs q, k, v of rank 4 in the layout given; mask (optional: bool, true may be read, or float, added),
// broadcast to [batch, heads, q_len, kv_len]; lengths (optional, int64 [batch]): keys from there on do not exist;
// offset (optional, one int64): how many keys stand before the first query. Outputs y (layout of q) and, when read,
// scores [batch, heads, q_len, kv_len] at the stage that `scores` names. A query without any key gives 0.
#pragma once

#include "schema/op.h"

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
    DimShape scores;
    scores.push(q[0]);
    scores.push(q[heads]);
    scores.push(q[length]);
    scores.push(k[length]);
    GF_TRY(check_mask(c, scores));
    if (c.has_input(4)) {
      GF_TRY(c.expect_type(4, dtypes(DType::I64)));
      GF_TRY(c.expect_rank(4, 1));
      GF_TRY(c.expect_equal(c.shape(4)[0], q[0], "one length per batch entry is needed"));
    }
    if (c.has_input(5)) {
      GF_TRY(c.expect_type(5, dtypes(DType::I64)));
      GF_TRY(c.expect_equal(c.count(c.shape(5)), 1, "the offset must be one element"));
    }
    DimShape out = q;
    out[3] = v[3];
    GF_TRY(c.set(0, c.dtype(0), out));
    return c.set(1, c.dtype(0), scores);
  }
  // with p = softmax(s): dv = p^T dy, ds = p * (dy v^T - rowsum(dy * y)), dq = scale ds k, dk = scale ds^T q
  static constexpr PendingGradient grad{};

 private:
  static Error check_mask(InferContext& c, const DimShape& scores) {
    if (!c.has_input(3)) return Error::Ok;
    if (c.dtype(3) != DType::Bool) GF_TRY(c.expect_same_type(0, 3));
    const DimShape& mask = c.shape(3);
    if (mask.rank > 4) return c.fail(Error::ShapeMismatch, "the mask has rank %d, at most 4 is allowed", mask.rank);
    for (int d = 0; d < mask.rank; ++d) {
      const Dim have = mask[d], want = scores[d + 4 - mask.rank];
      if (have.lo > 1 && want.is_const() && have.is_const() && have.lo != want.lo)
        return c.fail(Error::ShapeMismatch, "axis %d of the mask is %lld; the scores have %lld there", d,
                      static_cast<long long>(have.lo), static_cast<long long>(want.lo));
    }
    return Error::Ok;
  }
};

}  // namespace gf::op
