// random_normal: normally distributed numbers (Box & Muller 1958).
// Inputs: the shape (int64 vector) and, optionally, the draw number (int64 scalar, usually a
// counter in State): the same seed and draw give the same bytes on every backend (Philox, schema/random.h).
#pragma once

#include "schema/random_infer.h"

namespace gf::op {

struct RandomNormal {
  static constexpr OpInfo info{.id = 91, .name = "random_normal", .min_inputs = 1, .max_inputs = 2, .flags = kOpRandom};
  struct Attrs {
    DType dtype = DType::F32;  ///< element type of the result
    float mean = 0.0f;  ///< centre
    float scale = 1.0f;  ///< standard deviation
    int64_t seed = 0;  ///< Philox key
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype"),
                                         field<&Attrs::mean>(2, "mean"),
                                         field<&Attrs::scale>(3, "scale"),
                                         field<&Attrs::seed>(4, "seed")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(expect_random_type(c, a.dtype, kFloats));
    return set_shape_from_input(c, a.dtype);
  }
  static constexpr NoGradient grad{"drawn at random"};
};

}  // namespace gf::op
