// Inference shared by the normalisations.
#pragma once

#include "schema/op.h"

namespace gf {

/// Parameter `input` is a vector with one entry per channel (the last axis of input 0).
inline Error expect_per_channel(InferContext& c, int input, const char* what) {
  GF_TRY(c.expect_rank(input, 1));
  return c.expect_equal(c.shape(input)[0], c.shape(0)[c.rank(0) - 1], what);
}

/// Parameter `input` (scale, bias) covers axes [axis, rank) of input 0: the same trailing dims, or one element. Leading
/// ones are fine.
inline Error expect_covers(InferContext& c, int input, int axis, const char* what) {
  const DimShape& p = c.shape(input);
  const DimShape& x = c.shape(0);
  if (c.count(p).is_const() && c.count(p).lo == 1) return Error::Ok;
  const int length = x.rank - axis;
  for (int k = 1; k <= p.rank; ++k) {
    if (k > length) {
      GF_TRY(c.expect_equal(p[p.rank - k], 1, what));
    } else {
      GF_TRY(c.expect_equal(p[p.rank - k], x[x.rank - k], what));
    }
  }
  if (p.rank < length) return c.fail(Error::ShapeMismatch, "%s has rank %d for %d normalised axes", what, p.rank, length);
  return Error::Ok;
}

/// epsilon must be a number that keeps the square root real.
inline Error expect_epsilon(InferContext& c, float epsilon) {
  if (!(epsilon >= 0.0f)) return c.fail(Error::BadAttribute, "epsilon %g is negative or NaN", static_cast<double>(epsilon));
  return Error::Ok;
}

/// Element type of statistics: f32, or f64 where the data is f64.
constexpr DType statistics_type(DType t) { return t == DType::F64 ? DType::F64 : DType::F32; }

}  // namespace gf
