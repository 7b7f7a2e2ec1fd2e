// dropout: y = x, or while training y = x * mask / (1 - ratio) with mask drawn from Philox (ONNX Dropout-13; Srivastava
// et al. 2014). Inputs: x and, optionally, the draw number (int64 scalar, usually a step counter in State): the same seed
// and draw give the same mask everywhere. Outputs: y and the mask (true: kept).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Dropout {
  static constexpr OpInfo info{
      .id = 84, .name = "dropout", .min_inputs = 1, .max_inputs = 2, .min_outputs = 1, .max_outputs = 2, .flags = kOpRandom};
  struct Attrs {
    float ratio = 0.5f;      ///< probability of dropping an element, in [0, 1)
    bool training = false;   ///< false: identity
    int64_t seed = 0;        ///< Philox key
  };
  static constexpr AttrField fields[] = {field<&Attrs::ratio>(1, "ratio"), field<&Attrs::training>(2, "training"),
                                         field<&Attrs::seed>(3, "seed")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    if (!(a.ratio >= 0.0f && a.ratio < 1.0f))
      return c.fail(Error::BadAttribute, "ratio %g is outside [0, 1)", static_cast<double>(a.ratio));
    if (c.has_input(1)) GF_TRY(c.expect_type(1, dtypes(DType::I64)));
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    return c.set(1, DType::Bool, c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * mask / (1 - ratio)
};

}  // namespace gf::op
