// The convolution that a conv or conv_transpose node is: shared by the kernels that fit nodes to the products of conv.h.
#pragma once

#include "ops/cpu/simd/conv.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"

namespace gf::simd {

ConvShape conv_shape(const op::Conv::Attrs& a, const Shape& x, const Shape& w, const Shape& y);
ConvShape conv_transpose_shape(const op::ConvTranspose::Attrs& a, const Shape& x, const Shape& w, const Shape& y);

template <bool kTransposed>
using ConvNodeAttrs = std::conditional_t<kTransposed, op::ConvTranspose::Attrs, op::Conv::Attrs>;

template <bool kTransposed>
ConvShape conv_shape_of(const ConvNodeAttrs<kTransposed>& attrs, const Shape& x, const Shape& w, const Shape& y) {
  if constexpr (kTransposed) return conv_transpose_shape(attrs, x, w, y);
  else return conv_shape(attrs, x, w, y);
}

/// Of either op: attributes of conv_transpose begin with those of conv.
inline Precision precision_of(const NodeView& node) { return static_cast<const ConvAttrs*>(node.attrs)->precision; }

template <bool kTransposed>
Error plan_of(const NodeView& node, ConvPlan& plan) {
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  if constexpr (kTransposed)
    return conv_transpose_plan(node.isa, conv_transpose_shape(node.attributes<op::ConvTranspose::Attrs>(), x, w, y),
                               plan);
  else
    return conv_plan(node.isa, conv_shape(node.attributes<op::Conv::Attrs>(), x, w, y), plan);
}

}  // namespace gf::simd
