// qlinear_matmul: quantised matrices in and out (ONNX QLinearMatMul): round((a - a0) x (b - b0) * a_s * b_s / y_s) + y0.
// Inputs: a, a scale, a zero, b, b scale, b zero, y scale, y zero. Per row of a and per column of b allowed.
#pragma once

#include "schema/op.h"
#include "schema/quantize.h"

namespace gf::op {

struct QLinearMatMul {
  static constexpr OpInfo info{
      .id = 405, .name = "qlinear_matmul", .min_inputs = 8, .max_inputs = 8, .flags = kOpQuantized};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    for (int i = 0; i < 8; ++i)
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
    for (const int i : {0, 3, 7}) GF_TRY(c.expect_type(i, kBytes));
    for (const int i : {1, 4, 6}) {
      GF_TRY(c.expect_type(i, kFloats));
      GF_TRY(check_scale_values(c, i, i != 6));
    }
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_same_type(3, 5));
    for (const int x : {0, 3}) {
      const int axis = x == 0 ? c.rank(0) - 2 : c.rank(3) - 1;
      const bool vector = c.rank(x) < 2;
      for (int i = x + 1; i <= x + 2; ++i) {
        const Dim n = c.count(c.shape(i));
        if (n.is_const() && n.lo == 1) continue;
        if (vector) return c.fail(Error::ShapeMismatch, "a vector takes a single scale and zero point");
        GF_TRY(c.expect_equal(n, c.shape(x)[axis], "one scale and zero point per row of a or column of b is needed"));
      }
    }
    GF_TRY(expect_single(c, 6, "the output scale"));
    GF_TRY(expect_single(c, 7, "the output zero point"));
    DimShape out;
    GF_TRY(matmul_shape(c, c.shape(0), c.shape(3), out));
    return c.set(0, c.dtype(7), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.matmul(false); }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
