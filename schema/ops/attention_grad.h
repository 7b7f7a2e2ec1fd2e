// attention_grad: gradients of attention by q, k and v without a matrix of scores: with p = softmax(s), ds = p * (dy v^T -
// rowsum(dy * y)): dq = scale ds k, dk = scale ds^T q, dv = p^T dy (FlashAttention, Dao et al. 2022), through softcap times 1 -
// (s / softcap)^2. Inputs q, k, v, y, which attention gave, dy, and its mask, lengths and offset (optional). Outputs dq, dk, dv.
// Nothing flows through a key that a mask, window or length takes away. Made by gradients only (schema/gradients/attention.cpp).
#pragma once

#include "schema/ops/attention.h"

namespace gf::op {

struct AttentionGrad {
  static constexpr OpInfo info{
      .id = 280, .name = "attention_grad", .min_inputs = 5, .max_inputs = 8, .min_outputs = 3, .max_outputs = 3};
  using Attrs = Attention::Attrs;
  static constexpr std::span<const AttrField> fields = Attention::fields;
  static constexpr int kMask = 5;  ///< input; lengths and offset follow

  static Error infer(InferContext& c, const Attrs& a) {
    DimShape out, scores;
    GF_TRY(Attention::check(c, a, out, scores, kMask));
    for (const int i : {3, 4}) {
      GF_TRY(c.expect_same_type(0, i));
      GF_TRY(c.expect_rank(i, 4));
      for (int d = 0; d < 4; ++d) GF_TRY(c.expect_equal(c.shape(i)[d], out[d], "y and dy must have the shape of attention's result"));
    }
    for (const int i : {0, 1, 2}) GF_TRY(c.set(i, c.dtype(0), c.shape(i)));
    return Error::Ok;
  }
  /// Scores again, dy v^T, and the three products.
  static uint64_t macs(const NodeShapes& s, const Attrs& a) {
    const int heads = a.layout == AttentionLayout::HeadsFirst ? 1 : 2, length = 3 - heads;
    const uint64_t rows = saturating_product(saturating_product(s.size(0, 0), s.size(0, heads)), s.size(0, length));
    return saturating_product(saturating_product(rows, s.size(1, length)), 3 * s.size(0, 3) + 2 * s.size(2, 3));
  }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< with the scores as a matrix, for second derivatives
};

}  // namespace gf::op
