// Bases for elementwise ops: an op gives id, name and the scalar formula `apply(x[, y], attrs)`; types, inference and (on every
// backend) the kernel follow from it. The compute type is f32 for f32/f16/bf16, f64, i64 for signed and u64 for
// unsigned integers and bool; conversion happens at the edges.
#pragma once

#include "schema/op.h"

namespace gf {

/// Two's complement arithmetic for integers (ONNX leaves overflow open; we wrap, as numpy does), plain for floats.
namespace wrapping {
template <class T>
constexpr T add(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return a + b;
}
template <class T>
constexpr T sub(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else return a - b;
}
template <class T>
constexpr T mul(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}
}  // namespace wrapping

/// How inputs and output types of an elementwise op relate.
enum class ElementwiseKind : uint8_t {
  Unary,        ///< T -> T
  Binary,       ///< T, T -> T, broadcast
  Compare,      ///< T, T -> bool, broadcast
  Predicate,    ///< T -> bool
  Ternary,      ///< T, T, T -> T, broadcast (clamp-like)
};

namespace detail {
struct ElementwiseBase {
  using Attrs = NoAttrs;
};

/// Integer contents of output 0 from those of inputs 0 and 1, when both are known: f(a, b, out), false where it cannot
/// tell. Rank <= 1 only: a shape vector against a vector of the same length or a scalar.
template <class F>
void combine_contents(InferContext& c, F&& f) {
  const int n0 = c.value_count(0), n1 = c.value_count(1);
  if (n0 < 0 || n1 < 0 || c.rank(0) > 1 || c.rank(1) > 1) return;
  const int n = n0 == 1 ? n1 : n0;
  if ((n1 != n && n1 != 1) || n > kMaxTrackedValues) return;
  Dim out[kMaxTrackedValues];
  for (int k = 0; k < n; ++k)
    if (!f(c.value(0, n0 == 1 ? 0 : k), c.value(1, n1 == 1 ? 0 : k), out[k])) return;
  c.set_values(0, {out, static_cast<size_t>(n)});
}

/// Types and shape of an op on two inputs that broadcast.
template <class Op>
Error broadcast_inputs(InferContext& c, DimShape& shape) {
  GF_TRY(c.expect_type(0, Op::kTypes));
  GF_TRY(c.expect_same_type(0, 1));
  return c.broadcast(c.shape(0), c.shape(1), shape);
}
}  // namespace detail

/// y = apply(x), same type and shape. `Op::kTypes` may narrow the default.
template <class Op>
struct UnaryOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Unary;
  static constexpr DTypeSet kTypes = kFloats;
  static Error infer(InferContext& c, const auto&) {
    GF_TRY(c.expect_type(0, Op::kTypes));
    return c.set(0, c.dtype(0), c.shape(0));
  }
};

/// z = apply(x, y) with NumPy broadcasting. Ops on integers that shape computations use give `kDimOp`.
template <class Op>
struct BinaryOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Binary;
  static constexpr DTypeSet kTypes = kNumbers;
  static Error infer(InferContext& c, const auto&) {
    DimShape shape;
    GF_TRY(detail::broadcast_inputs<Op>(c, shape));
    if constexpr (requires { Op::kDimOp; })
      if (dtype_is_int(c.dtype(0)))
        detail::combine_contents(c, [&c](Dim a, Dim b, Dim& out) {
          if (Op::kDimOp == DimOp::FloorDiv && (b.lo <= 0 || a.lo < 0)) return false;  // truncation differs there
          return c.combine_values(Op::kDimOp, a, b, c.dtype(0), out);
        });
    return c.set(0, c.dtype(0), shape);
  }
};

/// z = apply(x, y) -> bool with NumPy broadcasting.
template <class Op>
struct CompareOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Compare;
  static constexpr DTypeSet kTypes = kNumbersAndBool;
  static Error infer(InferContext& c, const auto&) {
    DimShape shape;
    GF_TRY(detail::broadcast_inputs<Op>(c, shape));
    detail::combine_contents(c, [](Dim a, Dim b, Dim& out) {
      // disjoint intervals decide the comparison (exporters compare dimensions with -1)
      const bool decided = (a.is_const() && b.is_const()) || a.hi < b.lo || b.hi < a.lo;
      if (decided) out = Op::apply(a.lo, b.lo, typename Op::Attrs{}) ? 1 : 0;
      return decided;
    });
    return c.set(0, DType::Bool, shape);
  }
};

/// b = apply(x), element type bool.
template <class Op>
struct PredicateOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Predicate;
  static constexpr DTypeSet kTypes = kFloats;
  static Error infer(InferContext& c, const auto&) {
    GF_TRY(c.expect_type(0, Op::kTypes));
    return c.set(0, DType::Bool, c.shape(0));
  }
};

template <class Op>
concept IsElementwise = requires { { Op::kKind } -> std::convertible_to<ElementwiseKind>; };

}  // namespace gf
