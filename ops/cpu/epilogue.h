// The end of matmul, conv and conv_transpose in portable kernels: y = activation(alpha * sum + bias + scale *
// residual), computed in double (floats) or modulo 2^64 (integers) and rounded once. Plain functions on caller memory,
// any thread.
#pragma once

#include <utility>

#include "ops/cpu/built_activations.h"
#include "ops/cpu/op_util.h"
#include "ops/cpu/vectors.h"
#include "schema/epilogue.h"

namespace gf::cpu {

/// activate() with the activations of this build; x for others, which prepare refused.
template <class C>
C built_activate(Activation f, C x, C a, C b) {
  if constexpr (kBuiltActivations == ~uint32_t{0}) {
    return activate(f, x, a, b);
  } else {  // a call for each with a constant: the compiler keeps that line of the switch
    C y = x;
    const auto one = [&]<int kOne>() __attribute__((flatten)) {
      if constexpr ((kBuiltActivations >> kOne & 1) != 0)
        if (f == static_cast<Activation>(kOne)) y = activate(static_cast<Activation>(kOne), x, a, b);
    };
    [&]<int... kAll>(std::integer_sequence<int, kAll...>) {
      (one.template operator()<kAll>(), ...);
    }(std::make_integer_sequence<int, static_cast<int>(kLastActivation) + 1>());
    return y;
  }
}

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
      load(*bias, column, count, extra);
      for (int64_t k = 0; k < count; ++k) sums[k] += extra[k];
    }
    if (residual != nullptr) {
      load(*residual, first, count, extra);
      for (int64_t k = 0; k < count; ++k) {
        if constexpr (std::is_floating_point_v<S>)
          sums[k] += residual_scale * extra[k];
        else
          sums[k] += extra[k];
      }
    }
    if constexpr (std::is_floating_point_v<S>)
      if (activation != Activation::None)
        for (int64_t k = 0; k < count; ++k) sums[k] = built_activate(activation, sums[k], a, b);
    store(y, first, count, sums);
  }
};

}  // namespace gf::cpu
