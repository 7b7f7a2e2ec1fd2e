// eye_like: zeros with ones on diagonal k, in the shape of a matrix (ONNX EyeLike).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct EyeLike {
  static constexpr OpInfo info{.id = 171, .name = "eye_like"};
  struct Attrs {
    DType dtype = DType::Invalid;  ///< Invalid: as the input
    int64_t k = 0;                 ///< above the main diagonal when positive
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype"), field<&Attrs::k>(2, "k")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_rank(0, 2));
    const DType type = a.dtype == DType::Invalid ? c.dtype(0) : a.dtype;
    if (!kNumbersAndBool.contains(type)) return c.fail(Error::BadAttribute, "dtype %s is not a number", dtype_name(type));
    return c.set(0, type, c.shape(0));
  }
  static constexpr NoGradient grad{"the output does not depend on the values"};
};

}  // namespace gf::op
