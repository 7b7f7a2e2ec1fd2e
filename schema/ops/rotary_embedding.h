// rotary_embedding: rotates pairs of the last axis by position (ONNX RotaryEmbedding; Su et al. 2021). Inputs x of rank
// 4 in the layout given, cos and sin [positions, half] with position ids (int64 [batch, length]), or [batch, length,
// half] without. Pairs are (j, j + half), or (2j, 2j + 1) when interleaved; elements from 2 * half on stay as they are.
#pragma once

#include "schema/ops/attention.h"

namespace gf::op {

struct RotaryEmbedding {
  static constexpr OpInfo info{.id = 321, .name = "rotary_embedding", .min_inputs = 3, .max_inputs = 4};
  struct Attrs {
    AttentionLayout layout = AttentionLayout::HeadsFirst;
    bool interleaved = false;
  };
  static constexpr AttrField fields[] = {field<&Attrs::layout>(1, "layout", 0, 1),
                                         field<&Attrs::interleaved>(2, "interleaved")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_rank(0, 4));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_same_type(0, 2));
    const DimShape& x = c.shape(0);
    const Dim length = x[a.layout == AttentionLayout::HeadsFirst ? 2 : 1];
    for (const int i : {1, 2}) {
      GF_TRY(c.expect_rank(i, c.has_input(3) ? 2 : 3));
      const DimShape& table = c.shape(i);
      for (int d = 0; d < table.rank; ++d)
        GF_TRY(c.expect_equal(table[d], c.shape(1)[d], "cos and sin differ in shape"));
      if (2 * table[table.rank - 1].lo > x[3].hi)
        return c.fail(Error::ShapeMismatch, "cos has %lld columns, more than half of the %lld elements of x",
                      static_cast<long long>(table[table.rank - 1].lo), static_cast<long long>(x[3].hi));
      if (c.has_input(3)) continue;
      GF_TRY(c.expect_equal(table[0], x[0], "cos and x differ in batch"));
      GF_TRY(c.expect_equal(table[1], length, "cos and x differ in length"));
    }
    if (c.has_input(3)) {
      GF_TRY(c.expect_type(3, dtypes(DType::I64)));
      GF_TRY(c.expect_rank(3, 2));
      const Dim batch = c.shape(3)[0];
      if (!(batch.is_const() && batch.lo == 1))
        GF_TRY(c.expect_equal(batch, x[0], "position ids and x differ in batch"));
      GF_TRY(c.expect_equal(c.shape(3)[1], length, "position ids and x differ in length"));
    }
    return c.set(0, c.dtype(0), x);
  }
  // dx = rotation of dy by the opposite angle (sin negated)
  static constexpr PendingGradient grad{};
};

}  // namespace gf::op
