// reverse_sequence: reverses the first lengths[b] steps of each sequence, keeps the rest (ONNX ReverseSequence).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct ReverseSequence {
  static constexpr OpInfo info{
      .id = 179, .name = "reverse_sequence", .min_inputs = 2, .max_inputs = 2, .flags = kOpDataErrors};
  struct Attrs {
    int64_t batch_axis = 1;
    int64_t time_axis = 0;
  };
  static constexpr AttrField fields[] = {field<&Attrs::batch_axis>(1, "batch_axis", 0, 1),
                                         field<&Attrs::time_axis>(2, "time_axis", 0, 1)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(c.expect_min_rank(0, 2));
    GF_TRY(c.expect_rank(1, 1));
    if (a.batch_axis == a.time_axis) return c.fail(Error::BadAttribute, "batch_axis and time_axis are the same");
    if (a.batch_axis < 0 || a.batch_axis > 1 || a.time_axis < 0 || a.time_axis > 1)
      return c.fail(Error::BadAttribute, "batch_axis and time_axis must be 0 and 1 in some order");
    GF_TRY(c.expect_equal(c.shape(1)[0], c.shape(0)[static_cast<int>(a.batch_axis)], "one length per sequence is needed"));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = reverse_sequence(dy, lengths)
};

}  // namespace gf::op
