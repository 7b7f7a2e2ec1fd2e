// Inference shared by the random ops.
#pragma once

#include "schema/op.h"

namespace gf::op {

/// The wanted type is one of `types`, and a draw number (input 1), if given, is int64.
inline Error expect_random_type(InferContext& c, DType type, DTypeSet types) {
  if (!types.contains(type)) return c.fail(Error::BadAttribute, "dtype %s is not supported here", dtype_name(type));
  return c.has_input(1) ? c.expect_type(1, dtypes(DType::I64)) : Error::Ok;
}

/// Output 0 has the shape that input 0 (a vector of int64) tells.
inline Error set_shape_from_input(InferContext& c, DType type) {
  GF_TRY(c.expect_type(0, dtypes(DType::I64)));
  GF_TRY(c.expect_rank(0, 1));
  const int known = c.value_count(0);
  const Dim length = c.shape(0)[0];
  if (known < 0 && !length.is_const()) return c.set_unknown(0, type);
  const int64_t rank = known >= 0 ? known : length.lo;
  if (rank > kMaxRank)
    return c.fail(Error::LimitExceeded, "rank %lld is over %d", static_cast<long long>(rank), kMaxRank);
  DimShape shape;
  for (int d = 0; d < static_cast<int>(rank); ++d) shape.push(known >= 0 ? c.value(0, d) : c.fresh(0, kUnbounded));
  return c.set(0, type, shape);
}

}  // namespace gf::op
