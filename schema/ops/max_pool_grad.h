// max_pool_grad: gradient of max_pool by its input. Inputs x (what the pool read) and dy (gradient of what it gave): each dy is added to
// the greatest element of its window, of equal ones the first; a NaN counts as greatest, of several the last (as PyTorch has it).
// Made by gradients only (schema/gradients/spatial.cpp).
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct MaxPoolGrad {
  static constexpr OpInfo info{.id = 286, .name = "max_pool_grad", .min_inputs = 2, .max_inputs = 2};
  using Attrs = PoolAttrs;
  static constexpr auto fields = pool_fields<Attrs>();

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    DimShape pooled;
    GF_TRY(pool_shape(c, a, pooled));
    GF_TRY(c.expect_rank(1, pooled.rank));
    for (int d = 0; d < pooled.rank; ++d)
      GF_TRY(c.expect_equal(pooled[d], c.shape(1)[d], "dy must have the shape of the pooled image"));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // by dy: the gradient at the greatest element; by x: 0
};

}  // namespace gf::op
