// depth_to_space: blocks of channels become blocks of pixels (ONNX DepthToSpace), channels last:
// [N, H, W, C] -> [N, H * b, W * b, C / b^2].
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// Order of (block row, block column, channel) inside the deep channel axis. Values stand in files.
enum class DepthOrder : uint8_t {
  BlockFirst = 0,    ///< ONNX "DCR": ((row * b) + column) * channels + channel
  ChannelFirst = 1,  ///< ONNX "CRD": (channel * b + row) * b + column (PyTorch pixel_shuffle)
};

namespace op {

struct DepthToSpace {
  static constexpr OpInfo info{.id = 177, .name = "depth_to_space"};
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
    const int64_t area = a.block * a.block;
    if (out[3].is_const() && out[3].lo % area != 0)
      return c.fail(Error::ShapeMismatch, "%lld channels do not divide by block^2 = %lld",
                    static_cast<long long>(out[3].lo), static_cast<long long>(area));
    out[1] = c.mul(out[1], a.block);
    out[2] = c.mul(out[2], a.block);
    out[3] = c.floor_div(out[3], area);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = space_to_depth(dy)
};

}  // namespace op
}  // namespace gf
