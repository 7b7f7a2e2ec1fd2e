// concat: joins tensors along one axis (ONNX Concat).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Concat {
  static constexpr OpInfo info{.id = 155, .name = "concat", .min_inputs = 1, .max_inputs = -1};
  struct Attrs {
    int64_t axis = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    DimShape out = c.shape(0);
    if (out.rank == 0) return c.fail(Error::ShapeMismatch, "scalars cannot be joined");
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, out.rank, axis));
    for (int i = 1; i < c.input_count(); ++i) {
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
      GF_TRY(c.expect_same_type(0, i));
      const DimShape& s = c.shape(i);
      if (s.rank != out.rank)
        return c.fail(Error::ShapeMismatch, "input %d has rank %d, input 0 has rank %d", i, s.rank, out.rank);
      for (int d = 0; d < out.rank; ++d) {
        if (d == axis) {
          out[d] = c.add(out[d], s[d]);
          continue;
        }
        if (out[d].hi < s[d].lo || s[d].hi < out[d].lo)
          return c.fail(Error::ShapeMismatch, "input %d has length %lld on axis %d, input 0 has %lld", i,
                        static_cast<long long>(s[d].lo), d, static_cast<long long>(out[d].lo));
        if (!out[d].is_const() && s[d].is_const()) out[d] = s[d];
      }
    }
    GF_TRY(c.set(0, c.dtype(0), out));
    join_values(c);
    return Error::Ok;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx_i = slice of dy where x_i went

 private:
  static void join_values(InferContext& c) {
    Dim values[kMaxTrackedValues];
    size_t n = 0;
    for (int i = 0; i < c.input_count(); ++i) {
      if (!is_shape_value(c, i) || n + static_cast<size_t>(c.value_count(i)) > kMaxTrackedValues) return;
      for (int k = 0; k < c.value_count(i); ++k) values[n++] = c.value(i, k);
    }
    c.set_values(0, {values, n});
  }
};

}  // namespace gf::op
