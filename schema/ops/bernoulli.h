// bernoulli: 1 with the probability that the input element says, else 0.
// Inputs: probabilities (float) and, optionally, the draw number (int64 scalar, usually a
// counter in State): the same seed and draw give the same bytes on every backend (Philox, schema/random.h).
#pragma once

#include "schema/random_infer.h"

namespace gf::op {

struct Bernoulli {
  static constexpr OpInfo info{.id = 90, .name = "bernoulli", .min_inputs = 1, .max_inputs = 2, .flags = kOpRandom};
  struct Attrs {
    DType dtype = DType::F32;  ///< element type of the result
    int64_t seed = 0;  ///< Philox key
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype"),
                                         field<&Attrs::seed>(2, "seed")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(expect_random_type(c, a.dtype, kNumbersAndBool));
    return c.set(0, a.dtype, c.shape(0));
  }
  static constexpr NoGradient grad{"drawn at random"};
};

}  // namespace gf::op
