// split: cuts a tensor along one axis (ONNX Split-18): sizes from input 1 or the attribute, else equal parts of
// ceil(length / parts) with a smaller last one.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Split {
  static constexpr OpInfo info{.id = 156, .name = "split", .min_inputs = 1, .max_inputs = 2, .max_outputs = -1};
  struct Attrs {
    int64_t axis = 0;
    int64_t num_outputs = 0;  ///< 0: as many as the node has; used when no sizes are given
    IntList sizes = {};            ///< used when input 1 is absent
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"),
                                         field<&Attrs::num_outputs>(2, "num_outputs", 0, 1 << 20),
                                         field<&Attrs::sizes>(3, "sizes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    GF_TRY(c.expect_min_rank(0, 1));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    const Dim total = c.shape(0)[axis];
    const int parts = c.output_count();
    if (c.has_input(1) || !a.sizes.empty()) return by_sizes(c, a, axis, total, parts);
    if (a.num_outputs != 0 && a.num_outputs != parts)
      return c.fail(Error::BadAttribute, "num_outputs is %lld, the node has %d outputs",
                    static_cast<long long>(a.num_outputs), parts);
    const Dim chunk = c.ceil_div(total, parts);
    Dim start = 0;
    for (int i = 0; i < parts; ++i) {
      const bool last = i + 1 == parts;
      const Dim size = last && parts > 1 ? c.sub(total, c.mul(chunk, parts - 1)) : chunk;
      if (size.hi < 0)
        return c.fail(Error::ShapeMismatch, "%lld elements cannot be split in %d parts of %lld",
                      static_cast<long long>(total.lo), parts, static_cast<long long>(chunk.lo));
      GF_TRY(emit(c, i, axis, start, size));
      start = c.add(start, size);
    }
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = concat(dy_0, dy_1, ...)

 private:
  static Error by_sizes(InferContext& c, const Attrs& a, int axis, const Dim& total, int parts) {
    int length = static_cast<int>(a.sizes.size());
    if (c.has_input(1)) GF_TRY(read_length(c, 1, "split", length));
    if (length >= 0 && length != parts)
      return c.fail(Error::ShapeMismatch, "%d split sizes for %d outputs", length, parts);
    Dim sum = 0;
    bool known = true;
    for (int i = 0; i < parts; ++i) {
      Dim size;
      if (c.has_input(1)) {
        known &= c.value_count(1) > i;
        GF_TRY(read_size(c, 1, i, total.hi, "split", size));
      } else {
        const int64_t v = a.sizes[static_cast<size_t>(i)];
        if (v < 0) return c.fail(Error::BadAttribute, "split size %d is %lld", i, static_cast<long long>(v));
        size = v;
      }
      GF_TRY(emit(c, i, axis, sum, size));
      sum = c.add(sum, size);
    }
    return known ? c.expect_equal(sum, total, "the split sizes do not add up to the length of the axis") : Error::Ok;
  }
  static Error emit(InferContext& c, int i, int axis, const Dim& start, const Dim& size) {
    DimShape out = c.shape(0);
    out[axis] = size;
    GF_TRY(c.set(i, c.dtype(0), out));
    if (!is_shape_value(c, 0) || c.rank(0) != 1 || !start.is_const() || !size.is_const() ||
        start.lo + size.lo > c.value_count(0))
      return Error::Ok;
    Dim values[kMaxTrackedValues];
    for (int k = 0; k < size.lo; ++k) values[k] = c.value(0, static_cast<int>(start.lo) + k);
    c.set_values(i, {values, static_cast<size_t>(size.lo)});
    return Error::Ok;
  }
};

}  // namespace gf::op
