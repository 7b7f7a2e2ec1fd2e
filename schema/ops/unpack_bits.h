// unpack_bits: what pack_bits packed, as bool elements 0 and 1 (numpy.unpackbits with bitorder "little" and a count). Input: u8
// [ceil(count / 8)]; output: bool of `shape`. Bits behind the last element do not matter.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct UnpackBits {
  static constexpr OpInfo info{.id = 183, .name = "unpack_bits"};
  struct Attrs {
    IntList shape = {};  ///< of the result; empty: one element without dimensions
  };
  static constexpr AttrField fields[] = {field<&Attrs::shape>(1, "shape")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, dtypes(DType::U8)));
    GF_TRY(c.expect_rank(0, 1));
    if (a.shape.size() > static_cast<size_t>(kMaxRank)) return c.fail(Error::BadAttribute, "shape has %zu dimensions", a.shape.size());
    DimShape out;
    for (const int64_t d : a.shape) {
      if (d < 0) return c.fail(Error::BadAttribute, "shape has the dimension %lld", static_cast<long long>(d));
      out.push(Dim(d));
    }
    GF_TRY(c.expect_equal(c.shape(0)[0], c.ceil_div(c.count(out), Dim(8)), "the input needs a byte for every eight elements of shape"));
    return c.set(0, DType::Bool, out);
  }
  static constexpr NoGradient grad{"bits are no numbers"};
};

}  // namespace gf::op
