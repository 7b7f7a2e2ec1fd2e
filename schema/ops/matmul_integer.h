// matmul_integer: (a - a_zero) x (b - b_zero) in int32 (ONNX MatMulInteger). Zero points: one, or one per row of a
// ([M] or [.., M, 1]) and per column of b ([N] or [.., 1, N]).
#pragma once

#include "schema/op.h"
#include "schema/quantize.h"

namespace gf::op {

struct MatMulInteger {
  static constexpr OpInfo info{
      .id = 403, .name = "matmul_integer", .min_inputs = 2, .max_inputs = 4, .flags = kOpQuantized};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kBytes));
    GF_TRY(c.expect_type(1, kBytes));
    for (int i = 0; i < 2; ++i) {
      if (!c.has_input(i + 2)) continue;
      GF_TRY(c.expect_same_type(i, i + 2));
      GF_TRY(check_zero(c, i));
    }
    DimShape out;
    GF_TRY(matmul_shape(c, c.shape(0), c.shape(1), out));
    return c.set(0, DType::I32, out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.matmul(false); }
  static constexpr NoGradient grad{"the output is integer"};

 private:
  static Error check_zero(InferContext& c, int i) {
    const DimShape &x = c.shape(i), &z = c.shape(i + 2);
    const Dim n = c.count(z);
    if (n.is_const() && n.lo == 1) return Error::Ok;
    const int line = i == 0 ? x.rank - 2 : x.rank - 1;  // rows of a, columns of b
    if (x.rank < 2) return c.fail(Error::ShapeMismatch, "a vector takes a single zero point");
    if (z.rank == 1) return c.expect_equal(z[0], x[line], "one zero point per row of a or column of b is needed");
    if (z.rank != x.rank) return c.fail(Error::ShapeMismatch, "zero point %d has rank %d", i, z.rank);
    for (int d = 0; d < x.rank; ++d) {
      const bool summed = d >= x.rank - 2 && d != line;
      GF_TRY(c.expect_equal(z[d], summed ? Dim(1) : x[d], "zero points do not fit the matrix"));
    }
    return Error::Ok;
  }
};

}  // namespace gf::op
