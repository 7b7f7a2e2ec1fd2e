// col2im: adds columns of blocks back into an image (ONNX Col2Im; PyTorch fold). Channels stand at axis 1 here, since
// the columns have them outside the block: [N, C * prod(block), L] -> [N, C, image...].
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Col2Im {
  static constexpr OpInfo info{.id = 181, .name = "col2im", .min_inputs = 3, .max_inputs = 3};
  struct Attrs {
    IntList dilations = {};  ///< empty: 1
    IntList pads = {};       ///< befores, then afters; empty: 0
    IntList strides = {};    ///< empty: 1
  };
  static constexpr AttrField fields[] = {field<&Attrs::dilations>(1, "dilations"), field<&Attrs::pads>(2, "pads"),
                                         field<&Attrs::strides>(3, "strides")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbersAndBool));
    GF_TRY(c.expect_rank(0, 3));
    int spatial = 0, block_rank = 0;
    GF_TRY(read_length(c, 1, "image_shape", spatial));
    GF_TRY(read_length(c, 2, "block_shape", block_rank));
    if (spatial < 0) return c.set_unknown(0, c.dtype(0));
    if (spatial < 1 || spatial > kMaxRank - 2) return c.fail(Error::ShapeMismatch, "image_shape has %d entries", spatial);
    if (block_rank >= 0 && block_rank != spatial)
      return c.fail(Error::ShapeMismatch, "block_shape has %d entries, image_shape %d", block_rank, spatial);
    GF_TRY(check_list(c, a.dilations, spatial, 1, "dilations"));
    GF_TRY(check_list(c, a.strides, spatial, 1, "strides"));
    GF_TRY(check_list(c, a.pads, 2 * spatial, 0, "pads"));
    DimShape out;
    out.push(c.shape(0)[0]);
    Dim area = 1, blocks = 1;
    DimShape image;
    for (int d = 0; d < spatial; ++d) {
      Dim length, block;
      GF_TRY(read_size(c, 1, d, kUnbounded, "image_shape", length));
      GF_TRY(read_size(c, 2, d, kUnbounded, "block_shape", block));
      image.push(length);
      area = c.mul(area, block);
      const auto k = static_cast<size_t>(d);
      const int64_t dilation = a.dilations.empty() ? 1 : a.dilations[k], stride = a.strides.empty() ? 1 : a.strides[k];
      const int64_t pad = a.pads.empty() ? 0 : a.pads[k] + a.pads[k + static_cast<size_t>(spatial)];
      if (!block.is_const() || !length.is_const()) {
        blocks = Dim(0, kUnbounded);
        continue;
      }
      if (block.lo < 1) return c.fail(Error::BadData, "block_shape[%d] is %lld", d, static_cast<long long>(block.lo));
      const Dim span = c.sub(c.add(length, pad), c.mul(dilation, c.sub(block, 1)));
      if (span.hi < 1) return c.fail(Error::ShapeMismatch, "block %d is larger than the padded image", d);
      blocks = c.mul(blocks, c.add(c.floor_div(c.sub(span, 1), stride), 1));
    }
    if (area.is_const() && area.lo == 0) return c.fail(Error::BadData, "block_shape has a 0");
    if (area.is_const() && c.shape(0)[1].is_const() && c.shape(0)[1].lo % area.lo != 0)
      return c.fail(Error::ShapeMismatch, "%lld column entries do not divide by the block's %lld",
                    static_cast<long long>(c.shape(0)[1].lo), static_cast<long long>(area.lo));
    GF_TRY(c.expect_equal(c.shape(0)[2], blocks, "number of blocks does not fit image, block, stride and pads"));
    out.push(area.lo >= 1 ? c.floor_div(c.shape(0)[1], area) : c.fresh(0, c.shape(0)[1].hi));
    for (int d = 0; d < spatial; ++d) out.push(image[d]);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = the blocks of dy as columns (im2col)

 private:
  static Error check_list(InferContext& c, IntList list, int count, int64_t least, const char* what) {
    if (!list.empty() && static_cast<int>(list.size()) != count)
      return c.fail(Error::BadAttribute, "%s has %zu entries, expected %d", what, list.size(), count);
    for (const int64_t v : list)
      if (v < least || v > (1 << 30)) return c.fail(Error::BadAttribute, "%s has an entry of %lld", what, static_cast<long long>(v));
    return Error::Ok;
  }
};

}  // namespace gf::op
