// bit_cast: the same bytes read as another type of the same width (ONNX BitCast-26).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct BitCast {
  static constexpr OpInfo info{.id = 82, .name = "bit_cast", .flags = kOpView};
  struct Attrs {
    DType to = DType::F32;  ///< element type of the result
  };
  static constexpr AttrField fields[] = {field<&Attrs::to>(1, "to")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kAnyDense));
    if (dtype_bits(a.to) != dtype_bits(c.dtype(0)))
      return c.fail(Error::BadAttribute, "%s and %s differ in width", dtype_name(c.dtype(0)), dtype_name(a.to));
    return c.set(0, a.to, c.shape(0));
  }
  static constexpr NoGradient grad{"reinterprets bits"};
};

}  // namespace gf::op
