// slice: a strided box out of a tensor (ONNX Slice-13): starts, ends, axes and steps as inputs, known or not.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Slice {
  static constexpr OpInfo info{.id = 157, .name = "slice", .min_inputs = 3, .max_inputs = 5};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kAnyDense));
    const DimShape& in = c.shape(0);
    int count = 0, ends = 0;
    GF_TRY(read_length(c, 1, "starts", count));
    GF_TRY(read_length(c, 2, "ends", ends));
    if (count >= 0 && ends >= 0 && count != ends)
      return c.fail(Error::ShapeMismatch, "%d starts but %d ends", count, ends);
    count = count < 0 ? ends : count;
    for (int i = 3; i <= 4; ++i) {
      if (!c.has_input(i)) continue;
      int n = 0;
      GF_TRY(read_length(c, i, i == 3 ? "axes" : "steps", n));
      if (n >= 0 && count >= 0 && n != count)
        return c.fail(Error::ShapeMismatch, "%d starts but %d %s", count, n, i == 3 ? "axes" : "steps");
    }
    if (count > in.rank) return c.fail(Error::ShapeMismatch, "%d starts for rank %d", count, in.rank);
    AxisList axes;
    GF_TRY(read_axes(c, 3, {}, in.rank, axes));
    DimShape out = in;
    if (count < 0 || !axes.known) {
      for (int d = 0; d < in.rank; ++d) out[d] = c.fresh(0, in[d].hi);
      return c.set(0, c.dtype(0), out);
    }
    for (int k = 0; k < count; ++k) {
      const int d = axes.given ? axes.order[k] : k;
      GF_TRY(slice_dim(c, k, in[d], out[d]));
    }
    GF_TRY(c.set(0, c.dtype(0), out));
    slice_values(c, axes, count);
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = zeros with dy written to the sliced places

  /// Start and end of one axis as the specification clamps them. Constants only.
  static constexpr void clamp(int64_t length, int64_t step, int64_t& start, int64_t& end) {
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? length - 1 : length;
    if (start < 0) start = start < -length ? -1 : start + length;
    if (end < 0) end = end < -length ? -1 : end + length;
    start = start < 0 ? 0 : (start > high ? high : start);
    end = end < low ? low : (end > high ? high : end);
    if (length == 0) start = end = 0;
  }
  /// Number of elements taken after clamp().
  static constexpr int64_t extent(int64_t step, int64_t start, int64_t end) {
    const int64_t span = step < 0 ? start - end : end - start;
    if (span <= 0) return 0;
    if (step == std::numeric_limits<int64_t>::min()) return 1;
    const int64_t stride = step < 0 ? -step : step;
    return (span - 1) / stride + 1;
  }

 private:
  static Error slice_dim(InferContext& c, int k, const Dim& length, Dim& out) {
    const Dim step = !c.has_input(4) ? Dim(1) : c.value_count(4) > k ? c.value(4, k) : Dim(-kUnbounded, kUnbounded);
    if (step.is_const() && step.lo == 0) return c.fail(Error::BadData, "steps[%d] is 0", k);
    if (c.value_count(1) <= k || c.value_count(2) <= k || !step.is_const()) {
      out = c.fresh(0, length.hi);
      return Error::Ok;
    }
    const Dim start = c.value(1, k), end = c.value(2, k);
    if (start.is_const() && end.is_const() && length.is_const()) {
      int64_t s = start.lo, e = end.lo;
      clamp(length.lo, step.lo, s, e);
      out = extent(step.lo, s, e);
      return Error::Ok;
    }
    Dim from, to;
    if (step.lo == std::numeric_limits<int64_t>::min() || !clamp_dim(c, start, length, step.lo < 0, false, from) ||
        !clamp_dim(c, end, length, step.lo < 0, true, to)) {
      out = c.fresh(0, length.hi);
      return Error::Ok;
    }
    const Dim span = step.lo > 0 ? c.sub(to, from) : c.sub(from, to);
    out = c.ceil_div(span, step.lo > 0 ? step.lo : -step.lo);
    out = out.lo < 0 ? c.max(out, 0) : out;
    if (out.hi > length.hi) out.hi = length.hi;
    return Error::Ok;
  }
  // one bound, clamped to [0, length] (going up) or [-1, length - 1] (going down; a start stays >= 0)
  static bool clamp_dim(InferContext& c, Dim v, const Dim& length, bool down, bool is_end, Dim& out) {
    const Dim high = down ? c.sub(length, 1) : length;
    const int64_t low = down && is_end ? -1 : 0;
    if (v.lo < 0 && v.hi >= 0) return false;  // counts from the front or from the back: only the data knows
    if (v.hi < 0) {
      if (v.hi <= -length.hi) {  // at or before the first element whatever the length
        out = v.hi < -length.hi || low == 0 ? Dim(low) : Dim(0);
        return true;
      }
      if (v.lo < -(int64_t{1} << 62)) return false;
      v = c.add(length, v);
      out = v.lo < low ? c.max(v, low) : v;
      return true;
    }
    if (high.hi <= v.lo) out = high;  // "to the end", the usual 2^31 - 1 or 2^63 - 1
    else if (v.hi <= high.lo) out = v;
    else out = c.min(v, high);
    if (!is_end && out.lo < 0) out = c.max(out, 0);
    return true;
  }
  static void slice_values(InferContext& c, const AxisList& axes, int count) {
    if (!is_shape_value(c, 0) || c.rank(0) != 1 || count != 1 || (axes.given && axes.order[0] != 0)) return;
    const int64_t step = !c.has_input(4) ? 1 : c.value(4, 0).lo;
    if (c.value_count(1) != 1 || c.value_count(2) != 1 || !c.value(1, 0).is_const() || !c.value(2, 0).is_const() ||
        (c.has_input(4) && (c.value_count(4) != 1 || !c.value(4, 0).is_const())))
      return;
    int64_t start = c.value(1, 0).lo, end = c.value(2, 0).lo;
    clamp(c.value_count(0), step, start, end);
    const int64_t n = extent(step, start, end);
    Dim values[kMaxTrackedValues];
    for (int64_t k = 0; k < n; ++k) values[k] = c.value(0, static_cast<int>(start + k * step));
    c.set_values(0, {values, static_cast<size_t>(n)});
  }
};

}  // namespace gf::op
