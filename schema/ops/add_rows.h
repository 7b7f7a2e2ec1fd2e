// add_rows: rows added to those of a table that indices name, repeated ones as often as they stand; negative indices count from the end.
// Gradient of a gather along axis 0, which it trusts: an index outside the table adds nothing and ends no run, since whoever read the rows has
// refused it. So a train step may replace weights before this ran, and a table that is State gets its rows in place.
// Made by gradients only (schema/gradients/movement.cpp).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct AddRows {
  static constexpr OpInfo info{.id = 189, .name = "add_rows", .min_inputs = 3, .max_inputs = 3};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_min_rank(0, 1));
    const DimShape &table = c.shape(0), &indices = c.shape(1), &rows = c.shape(2);
    GF_TRY(c.expect_rank(2, indices.rank + table.rank - 1));
    for (int d = 0; d < rows.rank; ++d)
      GF_TRY(c.expect_equal(rows[d], d < indices.rank ? indices[d] : table[d - indices.rank + 1], "rows do not fit indices and table"));
    return c.set(0, c.dtype(0), table);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d table = dy; d rows = gather(dy, indices)
};

}  // namespace gf::op
