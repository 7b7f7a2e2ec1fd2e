// space_to_depth: blocks of pixels become blocks of channels (ONNX SpaceToDepth), channels last:
// [N, H, W, C] -> [N, H / b, W / b, C * b^2]. Inverse of depth_to_space.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"
#include "schema/ops/depth_to_space.h"

namespace gf::op {

struct SpaceToDepth {
  static constexpr OpInfo info{.id = 178, .name = "space_to_depth"};
  struct Attrs {
    int64_t block = 1;
    DepthOrder order = DepthOrder::BlockFirst;
  };
  static constexpr AttrField fields[] = {field<&Attrs::block>(1, "block", 1, 32767),
                                         field<&Attrs::order>(2, "order", 0, 1)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    GF_TRY(c.expect_rank(0, 4));
    if (a.block < 1 || a.block > 32767)
      return c.fail(Error::BadAttribute, "block is %lld, outside [1, 32767]", static_cast<long long>(a.block));
    DimShape out = c.shape(0);
    for (int d = 1; d <= 2; ++d) {
      if (out[d].is_const() && out[d].lo % a.block != 0)
        return c.fail(Error::ShapeMismatch, "length %lld of axis %d does not divide by the block %lld",
                      static_cast<long long>(out[d].lo), d, static_cast<long long>(a.block));
      out[d] = c.floor_div(out[d], a.block);
    }
    out[3] = c.mul(out[3], a.block * a.block);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = depth_to_space(dy)
};

}  // namespace gf::op
