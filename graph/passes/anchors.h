// The ops with an epilogue (matmul, conv, conv_transpose) as the folding and fusion passes see them: the fields that
// all three share, and how their constant weights are laid out by output channel.
#pragma once

#include "graph/passes/rewrite.h"
#include "schema/epilogue.h"

namespace gf {

inline bool is_anchor(const ir::Node& n) {
  return (n.is<op::MatMul>() || n.is<op::Conv>() || n.is<op::ConvTranspose>()) && n.writes_state < 0;
}

/// f(attrs) with the node's own attribute struct (op::MatMul::Attrs, op::Conv::Attrs or op::ConvTranspose::Attrs); a
/// change is not written back. Lists inside point into the node.
template <class F>
auto with_anchor_attrs(const ir::Node& n, F&& f) {
  const ir::DecodedAttrs decoded(n);
  if (n.is<op::MatMul>()) {
    auto a = *static_cast<const op::MatMul::Attrs*>(decoded.get());
    return f(a);
  }
  if (n.is<op::Conv>()) {
    auto a = *static_cast<const op::Conv::Attrs*>(decoded.get());
    return f(a);
  }
  auto a = *static_cast<const op::ConvTranspose::Attrs*>(decoded.get());
  return f(a);
}

inline bool has_activation(const ir::Node& anchor) {
  return with_anchor_attrs(anchor, [](const auto& a) { return a.activation != Activation::None; });
}
inline bool has_residual(const ir::Node& anchor) { return anchor.input(3) != ir::kNoValue; }

/// The anchor that computes v for `reader` alone, without activation and residual so far; else nullptr.
ir::Node* open_anchor(const Rewriter& r, ir::ValueId v, const ir::Node& reader);
/// Number of output channels where constant, else -1.
int64_t channels_of(const Rewriter& r, const ir::Node& anchor);
/// A value per output channel from a constant that broadcasts along the last axis only ([C], [1,..,C], one element).
std::optional<std::vector<double>> per_channel(const Rewriter& r, ir::ValueId v, int64_t channels);
/// Constant of a float type from doubles.
ir::ConstantPtr make_real(DType dtype, std::span<const double> values, std::vector<int64_t> dims);

/// `target` becomes the anchor with weights times `scale` and bias times scale plus `shift` (one entry per channel;
/// alpha is folded too). Requires constant weights and no activation or residual; false when weights or bias are not
/// constant.
bool scale_and_shift(Rewriter& r, ir::Node& target, const ir::Node& anchor, std::span<const double> scale,
                     std::span<const double> shift);

}  // namespace gf
