// matmul: y = activation(alpha * op(a) x op(b) + bias + residual_scale * residual), NumPy batch broadcasting (ONNX
// MatMul, Gemm with both transposes, FusedMatMul). Inputs a, b, bias [columns] (optional), residual shaped like y
// (optional). op() swaps the last two axes where transpose_a / transpose_b say so; vectors have none to swap.
#pragma once

#include "schema/epilogue.h"
#include "schema/formula.h"

namespace gf::op {

struct MatMul {
  static constexpr OpInfo info{.id = 300, .name = "matmul", .min_inputs = 2, .max_inputs = 4};
  static constexpr DTypeSet kTypes = kFloats | dtypes(DType::I32, DType::U32, DType::I64, DType::U64);
  struct Attrs {
    bool transpose_a = false;
    bool transpose_b = false;
    float alpha = 1;
    float residual_scale = 1;
    Activation activation = Activation::None;
    float activation_a = 0;
    float activation_b = 0;
    Precision precision = Precision::Full;
  };
  static constexpr AttrField fields[] = {field<&Attrs::transpose_a>(1, "transpose_a"),
                                         field<&Attrs::transpose_b>(2, "transpose_b"),
                                         field<&Attrs::alpha>(3, "alpha"),
                                         field<&Attrs::residual_scale>(4, "residual_scale"),
                                         field<&Attrs::activation>(5, "activation", 0, kLastActivation),
                                         field<&Attrs::activation_a>(6, "activation_a"),
                                         field<&Attrs::activation_b>(7, "activation_b"),
                                         field<&Attrs::precision>(8, "precision", 0, kLastPrecision)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kTypes));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(check_precision(c, a.precision));
    if (!kFloats.contains(c.dtype(0)) && (a.alpha != 1 || a.residual_scale != 1))
      return c.fail(Error::TypeMismatch, "alpha and residual_scale need a float type, not %s", dtype_name(c.dtype(0)));
    const DimShape left = transposed(c.shape(0), a.transpose_a), right = transposed(c.shape(1), a.transpose_b);
    DimShape out;
    GF_TRY(product_shape(c, left, right, out));
    if (c.has_input(2) && right.rank < 2) return c.fail(Error::ShapeMismatch, "a bias needs a matrix on the right");
    const Dim columns = right.rank > 1 ? right[right.rank - 1] : Dim(1);
    GF_TRY(check_epilogue(c, a.activation, a.activation_a, a.activation_b, 2, 3, columns, out));
    return c.set(0, c.dtype(0), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs& a) { return s.matmul(a.transpose_a); }
  // with s the value before the activation: ds = dy * f'(s); da = alpha * ds x b^T, db = alpha * a^T x ds, summed over
  // broadcast axes; dbias = sum of ds over rows and batches; dresidual = residual_scale * ds
  static Error grad(Differentiator& d, const Attrs& a);

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0), w = e.input(1), bias = e.input(2), residual = e.input(3);
    Var s = e.node<MatMul>({a.transpose_a ? e.swap_last_axes(x) : x, a.transpose_b ? e.swap_last_axes(w) : w}, {.precision = a.precision});
    if (a.alpha != 1) s = s * static_cast<double>(a.alpha);
    if (bias) s = s + bias;
    if (residual) s = s + (a.residual_scale == 1 ? residual : residual * static_cast<double>(a.residual_scale));
    return e.finish(e.activate(a.activation, s, a.activation_a, a.activation_b));
  }

 private:
  static DimShape transposed(DimShape s, bool swap) {
    if (swap && s.rank >= 2) {
      const Dim last = s[s.rank - 1];
      s[s.rank - 1] = s[s.rank - 2];
      s[s.rank - 2] = last;
    }
    return s;
  }
  static Error product_shape(InferContext& c, const DimShape& a, const DimShape& b, DimShape& out) {
    if (a.rank == 0 || b.rank == 0) return c.fail(Error::ShapeMismatch, "scalars cannot be multiplied as matrices");
    const Dim depth_a = a[a.rank - 1], depth_b = b[b.rank == 1 ? 0 : b.rank - 2];
    if (depth_a.is_const() && depth_b.is_const() && depth_a.lo != depth_b.lo)
      return c.fail(Error::ShapeMismatch, "inner dimensions differ: %lld columns on the left, %lld rows on the right",
                    static_cast<long long>(depth_a.lo), static_cast<long long>(depth_b.lo));
    GF_TRY(c.expect_equal(depth_a, depth_b, "inner dimensions differ"));
    DimShape left, right;
    for (int d = 0; d < a.rank - 2; ++d) left.push(a[d]);
    for (int d = 0; d < b.rank - 2; ++d) right.push(b[d]);
    GF_TRY(c.broadcast(left, right, out));
    if (a.rank > 1) out.push(a[a.rank - 2]);
    if (b.rank > 1) out.push(b[b.rank - 1]);
    return Error::Ok;
  }
};

}  // namespace gf::op
