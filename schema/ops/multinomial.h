// multinomial: samples of class indices, [batch, classes] -> [batch, sample_size].
// Inputs: unnormalised log-probabilities (float) and, optionally, the draw number (int64 scalar, usually a
// counter in State): the same seed and draw give the same bytes on every backend (Philox, schema/random.h).
#pragma once

#include "schema/random_infer.h"

namespace gf::op {

struct Multinomial {
  static constexpr OpInfo info{
      .id = 93, .name = "multinomial", .min_inputs = 1, .max_inputs = 2, .flags = kOpRandom | kOpDataErrors};
  struct Attrs {
    DType dtype = DType::I32;  ///< int32 or int64
    int64_t sample_size = 1;  ///< samples per row, drawn with replacement
    int64_t seed = 0;  ///< Philox key
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype"),
                                         field<&Attrs::sample_size>(2, "sample_size"),
                                         field<&Attrs::seed>(3, "seed")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_rank(0, 2));
    GF_TRY(expect_random_type(c, a.dtype, kIndex));
    if (a.sample_size < 1)
      return c.fail(Error::BadAttribute, "sample_size is %lld", static_cast<long long>(a.sample_size));
    if (c.shape(0)[1].hi == 0) return c.fail(Error::ShapeMismatch, "there are no classes to draw from");
    DimShape shape;
    shape.push(c.shape(0)[0]);
    shape.push(a.sample_size);
    return c.set(0, a.dtype, shape);
  }
  static constexpr NoGradient grad{"drawn at random"};
};

}  // namespace gf::op
