// The end of matmul, conv and conv_transpose in portable kernels: y = activation(alpha * sum + bias + scale *
// residual), computed in double (floats) or modulo 2^64 (integers) and rounded once. Plain functions on caller memory,
// any thread.
#pragma once

#include "ops/cpu/op_util.h"
#include "schema/epilogue.h"

namespace gf::cpu {

/// What sums of element type T are kept in: double for floats, uint64_t (wrapping) for integers.
template <class T>
using SumOf = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

struct Epilogue {
  double alpha = 1;
  double residual_scale = 1;
  Activation activation = Activation::None;
  double a = 0, b = 0;
  const TensorView* bias = nullptr;      ///< one element per output column or channel
  const TensorView* residual = nullptr;  ///< laid out as the output

  /// From a node's attributes and its inputs 2 (bias) and 3 (residual).
  template <class Attrs>
  Epilogue(const RunContext& c, const Attrs& attrs)
      : activation(attrs.activation),
        a(static_cast<double>(attrs.activation_a)),
        b(static_cast<double>(attrs.activation_b)),
        bias(c.has_input(2) ? &c.input(2) : nullptr),
        residual(c.has_input(3) ? &c.input(3) : nullptr) {
    if constexpr (requires { attrs.alpha; }) alpha = static_cast<double>(attrs.alpha);
    if constexpr (requires { attrs.residual_scale; }) residual_scale = static_cast<double>(attrs.residual_scale);
  }

  /// Finishes `count` <= kPiece sums, which belong to columns [column, column + count) and to output elements from
  /// `first` on, and writes them.
  static constexpr int64_t kPiece = 128;
  template <class S>
  void finish(TensorView& y, int64_t first, int64_t column, int64_t count, S* sums) const {
    S extra[kPiece];
    if constexpr (std::is_floating_point_v<S>)
      for (int64_t k = 0; k < count; ++k) sums[k] *= alpha;
    if (bias != nullptr) {
      load(bias->dtype, bias->data, column, 1, count, extra);
      for (int64_t k = 0; k < count; ++k) sums[k] += extra[k];
    }
    if (residual != nullptr) {
      load(residual->dtype, residual->data, first, 1, count, extra);
      for (int64_t k = 0; k < count; ++k) {
        if constexpr (std::is_floating_point_v<S>)
          sums[k] += residual_scale * extra[k];
        else
          sums[k] += extra[k];
      }
    }
    if constexpr (std::is_floating_point_v<S>)
      if (activation != Activation::None)
        for (int64_t k = 0; k < count; ++k) sums[k] = activate(activation, sums[k], a, b);
    store(y.dtype, y.data, first, count, sums);
  }
};

}  // namespace gf::cpu
