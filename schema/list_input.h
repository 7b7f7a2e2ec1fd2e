// Helpers for ops whose axes or sizes come as an integer input (newest ONNX) or as an attribute: one reading for both.
// Everything returns plain values; `known == false` means that the contents are decided only while running.
#pragma once

#include <cstring>

#include "schema/infer.h"

namespace gf {

/// Axes normalised to [0, rank), in the order given.
struct AxisList {
  bool given = false;   ///< input or attribute present
  bool known = true;    ///< contents known
  int count = 0;
  int order[kMaxRank] = {};
  uint32_t mask = 0;    ///< bit d: axis d is in the list

  constexpr bool contains(int d) const { return ((mask >> d) & 1U) != 0; }
  constexpr void push(int axis) {
    order[count++] = axis;
    mask |= 1U << axis;
  }
};

/// Reads axes from 1-D input `input` (any negative number: none) or, when that is absent, from `attribute`. Fails on an
/// axis outside [-rank, rank) and on one named twice. When contents are unknown, `count` still tells how many (or -1).
inline Error read_axes(InferContext& c, int input, IntList attribute, int rank, AxisList& out, const char* what = "axes") {
  const bool from_input = input >= 0 && c.has_input(input);
  out = AxisList{};
  out.given = from_input || !attribute.empty();
  int64_t n = static_cast<int64_t>(attribute.size());
  if (from_input) {
    GF_TRY(c.expect_type(input, kIndex));
    if (c.rank(input) > 1) return c.fail(Error::ShapeMismatch, "%s must be a 1-D tensor, rank is %d", what, c.rank(input));
    n = c.value_count(input);
    if (n < 0) {
      out.known = false;
      const Dim length = c.rank(input) == 0 ? Dim(1) : c.shape(input)[0];
      out.count = length.is_const() && length.lo <= rank ? static_cast<int>(length.lo) : -1;
      return Error::Ok;
    }
  }
  if (n > rank) return c.fail(Error::BadAttribute, "%s has %lld entries for rank %d", what, static_cast<long long>(n), rank);
  for (int k = 0; k < n; ++k) {
    int64_t raw = 0;
    if (from_input) {
      const Dim v = c.value(input, k);
      if (!v.is_const()) {
        out.known = false;
        out.count = static_cast<int>(n);
        return Error::Ok;
      }
      raw = v.lo;
    } else {
      raw = attribute[static_cast<size_t>(k)];
    }
    int axis = 0;
    GF_TRY(c.normalize_axis(raw, rank, axis, what));
    if (out.contains(axis)) return c.fail(Error::BadAttribute, "%s names axis %d twice", what, axis);
    out.push(axis);
  }
  return Error::Ok;
}

/// Length of a 1-D integer input that lists dimensions: its value count, or its constant length, or -1 when neither is
/// known. Fails on a type other than int32/int64 and on rank over 1.
inline Error read_length(InferContext& c, int input, const char* what, int& length) {
  GF_TRY(c.expect_type(input, kIndex));
  if (c.rank(input) != 1) return c.fail(Error::ShapeMismatch, "%s must be a 1-D tensor, rank is %d", what, c.rank(input));
  const Dim n = c.shape(input)[0];
  length = n.is_const() && n.lo <= (int64_t{1} << 30) ? static_cast<int>(n.lo) : -1;
  return Error::Ok;
}

/// Element k of integer input i as a size: contents when known (clamped below at 0 when an interval), else an unknown
/// within [0, bound]. A constant below zero fails.
inline Error read_size(InferContext& c, int input, int k, int64_t bound, const char* what, Dim& out) {
  if (c.value_count(input) <= k) {
    out = c.fresh(0, bound);
    return Error::Ok;
  }
  out = c.value(input, k);
  if (out.hi < 0)
    return c.fail(Error::BadData, "%s[%d] is %lld; sizes cannot be negative", what, k, static_cast<long long>(out.hi));
  if (out.lo < 0) out.lo = 0;
  return Error::Ok;
}

/// Scalar (or one-element) integer input; `known` false when contents are unknown.
inline Error read_scalar(InferContext& c, int input, const char* what, bool& known, Dim& out) {
  const Dim n = c.count(c.shape(input));
  if (n.lo > 1 || n.hi < 1) return c.fail(Error::ShapeMismatch, "%s must hold one element", what);
  known = c.value_count(input) == 1;
  if (known) out = c.value(input, 0);
  return Error::Ok;
}

/// Copies tracked integer contents of input `from` to output `to` when they are few enough.
inline void forward_values(InferContext& c, int from, int to) {
  const int n = c.value_count(from);
  if (n < 0 || n > kMaxTrackedValues || !dtype_is_int(c.dtype(from))) return;
  Dim values[kMaxTrackedValues];
  for (int k = 0; k < n; ++k) values[k] = c.value(from, k);
  c.set_values(to, {values, static_cast<size_t>(n)});
}

/// True when input i takes part in shape computations: few known integers, rank 0 or 1.
inline bool is_shape_value(const InferContext& c, int i) {
  const int n = c.value_count(i);
  return n >= 0 && n <= kMaxTrackedValues && c.rank(i) <= 1 && dtype_is_int(c.dtype(i));
}

}  // namespace gf
