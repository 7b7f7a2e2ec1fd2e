// Geometry that the integer convolutions share: x [N, spatial.., C] (channels last), weights [M, C / group, kernel..] as
// in ONNX, result [N, spatial.., M]; pads are befores, then afters.
#pragma once

#include "schema/conv_infer.h"
#include "schema/quantize.h"

namespace gf {

struct QuantConvAttrs {
  IntList strides = {};    ///< empty: 1
  IntList pads = {};       ///< empty: 0
  IntList dilations = {};  ///< empty: 1
  int64_t group = 1;

  WindowAttrs window() const { return {strides, dilations, pads, AutoPad::NotSet, false}; }
};

/// A scale or zero point of the weights: one, or one per output channel.
inline Error expect_per_channel(InferContext& c, int i, const Dim& channels, const char* what) {
  const Dim n = c.count(c.shape(i));
  if (c.rank(i) > 1) return c.fail(Error::ShapeMismatch, "%s must be a scalar or a vector", what);
  return n.is_const() && n.lo == 1 ? Error::Ok : c.expect_equal(n, channels, what);
}

}  // namespace gf
