// mel_weight_matrix: triangular filters that turn a spectrum into mel bands (ONNX MelWeightMatrix). Scalar inputs: number
// of bands, DFT length, sample rate, lower and upper edge in Hz -> [dft_length / 2 + 1, bands].
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct MelWeightMatrix {
  static constexpr OpInfo info{
      .id = 210, .name = "mel_weight_matrix", .min_inputs = 5, .max_inputs = 5, .flags = kOpDataErrors};
  struct Attrs {
    DType dtype = DType::F32;
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype")};

  static Error infer(InferContext& c, const Attrs& a) {
    if (!kNumbers.contains(a.dtype)) return c.fail(Error::BadAttribute, "dtype %s is not a number", dtype_name(a.dtype));
    Dim sizes[2];
    for (int i = 0; i < 5; ++i) {
      GF_TRY(c.expect_type(i, i < 3 ? kIndex : kFloats));
      bool known = false;
      Dim v;
      GF_TRY(read_scalar(c, i, "every input", known, v));
      if (i >= 2) continue;
      sizes[i] = known ? v : c.fresh(0, kUnbounded);
      if (sizes[i].hi < 0) return c.fail(Error::BadData, "input %d is negative", i);
    }
    DimShape out;
    out.push(c.add(c.floor_div(sizes[1], 2), 1));
    out.push(sizes[0]);
    return c.set(0, a.dtype, out);
  }
  static constexpr NoGradient grad{"the inputs are settings, not signals"};
};

}  // namespace gf::op
