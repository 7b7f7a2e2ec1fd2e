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
  static constexpr GradientOfExpansion grad{};

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0), ids = e.input(3);
    const int64_t heads = a.layout == AttentionLayout::HeadsFirst ? 1 : 2;
    const auto angles = [&](Var table) {  // [batch, length, half] with an axis for the heads
      return e.unsqueeze(ids ? e.gather(table, ids, 0) : table, {heads});
    };
    const Var cos = angles(e.input(1)), sin = angles(e.input(2));
    const Dim half = e.shape(e.input(1))[e.rank(e.input(1)) - 1], dim = e.shape(x)[3];
    if (!half.is_const() || !dim.is_const())
      return e.fail(Error::Unsupported, "rotary_embedding with an unknown size of head");
    const auto part = [&](Var v, int64_t axis, int64_t from, int64_t to) {
      return e.slice(v, axis, e.ints({from}), e.ints({to}));
    };
    const Var turned = 2 * half.lo == dim.lo ? x : part(x, 3, 0, 2 * half.lo);
    // the two elements of each pair, [.., half] or, interleaved, [.., half, 1]
    const Var pairs = a.interleaved ? e.reshape(turned, {0, 0, 0, half.lo, 2}) : turned;
    const auto pick = [&](int64_t which) {
      return a.interleaved ? e.squeeze(part(pairs, 4, which, which + 1), {4})
                           : part(pairs, 3, which * half.lo, (which + 1) * half.lo);
    };
    const Var first = pick(0), second = pick(1);
    const Var real = first * cos - second * sin, imaginary = second * cos + first * sin;
    Var y = a.interleaved ? e.reshape(e.concat({e.unsqueeze(real, {4}), e.unsqueeze(imaginary, {4})}, 4), {0, 0, 0, -1})
                          : e.concat({real, imaginary}, 3);
    if (2 * half.lo != dim.lo) y = e.concat({y, part(x, 3, 2 * half.lo, dim.lo)}, 3);
    return e.finish(y);
  }
};

}  // namespace gf::op
