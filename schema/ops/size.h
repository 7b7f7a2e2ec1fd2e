// size: number of elements as int64 scalar (ONNX Size).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Size {
  static constexpr OpInfo info{.id = 168, .name = "size"};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    const Dim n = c.count(c.shape(0));
    GF_TRY(c.set(0, DType::I64, DimShape{}));
    c.set_values(0, {&n, 1});
    return Error::Ok;
  }
  static constexpr NoGradient grad{"the output does not depend on the values"};
};

}  // namespace gf::op
