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

/// Integer contents of output 0 from those of inputs 0 and 1, when both are known: f(c, a, b, out, how), false where it
/// cannot tell. Rank <= 1 only: a shape vector against a vector of the same length or a scalar.
using CombineContents = bool (*)(InferContext& c, const Dim& a, const Dim& b, Dim& out, const void* how);
inline void combine_contents(InferContext& c, CombineContents f, const void* how) {
  const int n0 = c.value_count(0), n1 = c.value_count(1);
  if (n0 < 0 || n1 < 0 || c.rank(0) > 1 || c.rank(1) > 1) return;
  const int n = n0 == 1 ? n1 : n0;
  if ((n1 != n && n1 != 1) || n > kMaxTrackedValues) return;
  Dim out[kMaxTrackedValues];
  for (int k = 0; k < n; ++k)
    if (!f(c, c.value(0, n0 == 1 ? 0 : k), c.value(1, n1 == 1 ? 0 : k), out[k], how)) return;
  c.set_values(0, {out, static_cast<size_t>(n)});
}

/// One input of `types`; the output has its shape and `result`, or its type where that is Invalid.
inline Error infer_unary(InferContext& c, DTypeSet types, DType result) {
  GF_TRY(c.expect_type(0, types));
  return c.set(0, result == DType::Invalid ? c.dtype(0) : result, c.shape(0));
}

/// Types and shape of an op on two inputs that broadcast.
inline Error broadcast_inputs(InferContext& c, DTypeSet types, DimShape& shape) {
  GF_TRY(c.expect_type(0, types));
  GF_TRY(c.expect_same_type(0, 1));
  return c.broadcast(c.shape(0), c.shape(1), shape);
}

/// The output has the type of the inputs. `op`: how integers that are dimensions combine, or null.
inline Error infer_binary(InferContext& c, DTypeSet types, const DimOp* op) {
  DimShape shape;
  GF_TRY(broadcast_inputs(c, types, shape));
  const auto combine = [](InferContext& context, const Dim& a, const Dim& b, Dim& out, const void* how) {
    const DimOp dim_op = *static_cast<const DimOp*>(how);
    if (dim_op == DimOp::FloorDiv && (b.lo <= 0 || a.lo < 0)) return false;  // truncation differs there
    return context.combine_values(dim_op, a, b, context.dtype(0), out);
  };
  if (op != nullptr && dtype_is_int(c.dtype(0))) combine_contents(c, combine, op);
  return c.set(0, c.dtype(0), shape);
}

/// The output is bool. `apply`: the comparison of two integers.
using CompareIntegers = bool (*)(int64_t a, int64_t b);
inline Error infer_compare(InferContext& c, DTypeSet types, CompareIntegers apply) {
  DimShape shape;
  GF_TRY(broadcast_inputs(c, types, shape));
  const auto combine = [](InferContext&, const Dim& a, const Dim& b, Dim& out, const void* how) {
    // disjoint intervals decide the comparison (exporters compare dimensions with -1)
    const bool decided = (a.is_const() && b.is_const()) || a.hi < b.lo || b.hi < a.lo;
    if (decided) out = (*static_cast<const CompareIntegers*>(how))(a.lo, b.lo) ? 1 : 0;
    return decided;
  };
  combine_contents(c, combine, &apply);
  return c.set(0, DType::Bool, shape);
}
}  // namespace detail

/// y = apply(x), same type and shape. `Op::kTypes` may narrow the default.
template <class Op>
struct UnaryOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Unary;
  static constexpr DTypeSet kTypes = kFloats;
  static Error infer(InferContext& c, const auto&) { return detail::infer_unary(c, Op::kTypes, DType::Invalid); }
};

/// z = apply(x, y) with NumPy broadcasting. Ops on integers that shape computations use give `kDimOp`.
template <class Op>
struct BinaryOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Binary;
  static constexpr DTypeSet kTypes = kNumbers;
  static Error infer(InferContext& c, const auto&) {
    if constexpr (requires { Op::kDimOp; }) return detail::infer_binary(c, Op::kTypes, &Op::kDimOp);
    else return detail::infer_binary(c, Op::kTypes, nullptr);
  }
};

/// z = apply(x, y) -> bool with NumPy broadcasting.
template <class Op>
struct CompareOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Compare;
  static constexpr DTypeSet kTypes = kNumbersAndBool;
  static Error infer(InferContext& c, const auto&) {
    return detail::infer_compare(c, Op::kTypes,
                                 [](int64_t a, int64_t b) { return static_cast<bool>(Op::apply(a, b, typename Op::Attrs{})); });
  }
};

/// b = apply(x), element type bool.
template <class Op>
struct PredicateOp : detail::ElementwiseBase {
  static constexpr ElementwiseKind kKind = ElementwiseKind::Predicate;
  static constexpr DTypeSet kTypes = kFloats;
  static Error infer(InferContext& c, const auto&) { return detail::infer_unary(c, Op::kTypes, DType::Bool); }
};

template <class Op>
concept IsElementwise = requires { { Op::kKind } -> std::convertible_to<ElementwiseKind>; };

}  // namespace gf
