// pad: adds (or, with negative pads, removes) elements at the ends of axes (ONNX Pad-19): constant, reflected, repeated
// edge or wrapped around.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// Where padded elements come from. Values stand in files.
enum class PadMode : uint8_t { Constant = 0, Reflect = 1, Edge = 2, Wrap = 3 };

namespace op {

struct Pad {
  static constexpr OpInfo info{.id = 166, .name = "pad", .min_inputs = 2, .max_inputs = 4};
  struct Attrs {
    PadMode mode = PadMode::Constant;
  };
  static constexpr AttrField fields[] = {field<&Attrs::mode>(1, "mode", 0, 3)};

  /// Inputs: data, pads (all befores, then all afters), constant value (0 when absent), axes (all when absent).
  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    const DimShape& in = c.shape(0);
    int length = 0;
    GF_TRY(read_length(c, 1, "pads", length));
    if (c.has_input(2)) {
      GF_TRY(c.expect_same_type(0, 2));
      const Dim n = c.count(c.shape(2));
      if (n.lo > 1 || n.hi < 1) return c.fail(Error::ShapeMismatch, "the constant value must be a scalar");
    }
    AxisList axes;
    GF_TRY(read_axes(c, 3, {}, in.rank, axes));
    const int padded = axes.given ? axes.count : in.rank;
    if (length >= 0 && padded >= 0 && length != 2 * padded)
      return c.fail(Error::ShapeMismatch, "pads has %d entries, %d axes need %d", length, padded, 2 * padded);
    DimShape out = in;
    if (!axes.known || c.value_count(1) < 0) {
      for (int d = 0; d < in.rank; ++d)
        if (!axes.known || !axes.given || axes.contains(d)) out[d] = c.fresh(0, kUnbounded);
      return c.set(0, c.dtype(0), out);
    }
    for (int k = 0; k < padded; ++k) {
      const int d = axes.given ? axes.order[k] : k;
      const Dim before = c.value(1, k), after = c.value(1, k + padded);
      out[d] = c.add(c.add(in[d], before), after);
      if (out[d].hi < 0)
        return c.fail(Error::ShapeMismatch, "pads %lld and %lld leave a negative length on axis %d",
                      static_cast<long long>(before.hi), static_cast<long long>(after.hi), d);
      if (a.mode != PadMode::Constant && in[d].hi == 0 && out[d].lo > 0)
        return c.fail(Error::ShapeMismatch, "axis %d is empty: nothing to pad with in this mode", d);
    }
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // constant: dx = dy with pads negated; others: dy added back where it came from
};

}  // namespace op
}  // namespace gf
