// pack_bits: bool elements as bits of bytes, eight in one: bit k of byte j is element 8 j + k (numpy.packbits with bitorder "little");
// what is left of the last byte is 0. Input: bool of any shape; output: u8 [ceil(count / 8)]. Made by passes: a mask that waits for the
// backward part of a train step.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct PackBits {
  static constexpr OpInfo info{.id = 182, .name = "pack_bits"};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kBoolOnly));
    DimShape bytes;
    bytes.push(c.ceil_div(c.count(c.shape(0)), Dim(8)));
    return c.set(0, DType::U8, bytes);
  }
  static constexpr NoGradient grad{"bits are no numbers"};
};

}  // namespace gf::op
