// Base of the reductions over axes: attributes, inference and the arithmetic of shapes. An op gives id, name and types.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// Attributes that all reductions share.
struct ReduceAttrs {
  IntList axes = {};      ///< axes to reduce, each in [-rank, rank); empty: all of them. Input 1 takes precedence
  bool keepdims = true;   ///< reduced axes stay with size 1
  bool none = false;      ///< with empty axes: reduce nothing (each element is a group of its own)
};

/// Set of reduced axes as bits, from integer input `input` (-1: there is none) or the attribute. Fails on an axis out of
/// range or named twice. `known` false: only the data decides; `count` is then their number, or -1.
inline Error reduced_axes(InferContext& c, const ReduceAttrs& a, int rank, int input, uint32_t& out, bool& known,
                          int& count) {
  AxisList list;
  GF_TRY(read_axes(c, input, a.axes, rank, list));
  known = list.known || list.count == 0;
  count = list.count;
  out = list.mask;
  if (list.count == 0) out = a.none ? 0 : (1U << rank) - 1U;
  return Error::Ok;
}

/// The shape that is left.
inline DimShape reduced_shape(const DimShape& x, uint32_t axes, bool keepdims) {
  DimShape shape;
  for (int d = 0; d < x.rank; ++d) {
    if ((axes & (1U << d)) == 0) shape.push(x[d]);
    else if (keepdims) shape.push(1);
  }
  return shape;
}

namespace detail {
// Axes that only running tells: every dim may stay or go.
inline Error infer_unknown_axes(InferContext& c, const ReduceAttrs& a, int count) {
  const DimShape& x = c.shape(0);
  DimShape shape;
  if (!a.keepdims && count < 0) return c.set_unknown(0, c.dtype(0));
  const int rank = a.keepdims ? x.rank : x.rank - count;
  int64_t longest = 1;
  for (int d = 0; d < x.rank; ++d) longest = x[d].hi > longest ? x[d].hi : longest;
  for (int d = 0; d < rank; ++d) shape.push(c.fresh(0, a.keepdims ? (x[d].hi > 1 ? x[d].hi : 1) : longest));
  return c.set(0, c.dtype(0), shape);
}

inline void fold_values(InferContext& c, uint32_t axes, DimOp fold) {
  const int n = c.value_count(0);
  if (!dtype_is_int(c.dtype(0)) || n < 1 || n > kMaxTrackedValues || c.rank(0) != 1 || axes != 1) return;
  Dim result = c.value(0, 0);
  for (int k = 1; k < n; ++k)
    if (!c.combine_values(fold, result, c.value(0, k), c.dtype(0), result)) return;
  c.set_values(0, {&result, 1});
}
}  // namespace detail

/// Types and shape of a reduction. `fold`: how known integer vectors fold (shape computations); null: they do not.
inline Error infer_reduction(InferContext& c, const ReduceAttrs& a, DTypeSet types, const DimOp* fold) {
  GF_TRY(c.expect_type(0, types));
  uint32_t axes = 0;
  bool known = true;
  int count = 0;
  GF_TRY(reduced_axes(c, a, c.rank(0), 1, axes, known, count));
  if (!known) return detail::infer_unknown_axes(c, a, count);
  if (fold != nullptr) detail::fold_values(c, axes, *fold);
  return c.set(0, c.dtype(0), reduced_shape(c.shape(0), axes, a.keepdims));
}

/// y = fold of x over axes, given as int64 input 1 or, when that is absent, as attribute. Ops with a fold of dimensions give `kDimFold`.
template <class Op>
struct ReduceOp {
  using Attrs = ReduceAttrs;
  static constexpr AttrField fields[] = {field<&ReduceAttrs::axes>(1, "axes"),
                                         field<&ReduceAttrs::keepdims>(2, "keepdims"),
                                         field<&ReduceAttrs::none>(3, "none")};
  static constexpr DTypeSet kTypes = kNumbers;

  static Error infer(InferContext& c, const ReduceAttrs& a) {
    if constexpr (requires { Op::kDimFold; }) return infer_reduction(c, a, Op::kTypes, &Op::kDimFold);
    else return infer_reduction(c, a, Op::kTypes, nullptr);
  }
};

}  // namespace gf
