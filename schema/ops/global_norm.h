// global_norm: the Euclidean norm of all elements of all inputs together, sqrt(sum of squares), summed in f64 (what gradient
// clipping by global norm divides by: Pascanu et al. 2013). Inputs are floats of one type and any shapes; output: a scalar,
// f64 for f64, else f32. With `finite` an element that is NaN or infinite ends the run, and the error names the first input that has
// one: made for train steps, which then end before any State is replaced.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct GlobalNorm {
  static constexpr OpInfo info{.id = 278, .name = "global_norm", .min_inputs = 1, .max_inputs = -1, .flags = kOpDataErrors};
  struct Attrs {
    bool finite = false;   ///< NaN and infinity end the run (Error::NonFinite)
    int64_t watched = 0;   ///< so many inputs in front are looked at for `finite` (the loss) and are no part of the norm
  };
  static constexpr AttrField fields[] = {field<&Attrs::finite>(1, "finite"), field<&Attrs::watched>(2, "watched", 0, 1 << 20)};

  static Error infer(InferContext& c, const Attrs& a) {
    if (a.watched > c.input_count()) return c.fail(Error::BadAttribute, "watched is %d, there are %d inputs", static_cast<int>(a.watched), c.input_count());
    GF_TRY(c.expect_type(0, kFloats));
    for (int i = 1; i < c.input_count(); ++i) {
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
      GF_TRY(c.expect_same_type(0, i));
    }
    return c.set(0, c.dtype(0) == DType::F64 ? DType::F64 : DType::F32, {});
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx_i = dy * x_i / y
};

}  // namespace gf::op
