// Arithmetic with constants that weights can take: batch norm, per-channel scales and shifts into matmul, conv and
// conv_transpose; constant padding into the window ops; batch norm that stands alone becomes a multiplication and an
// addition.
#include <algorithm>
#include <cmath>

#include "graph/passes/anchors.h"
#include "graph/passes/passes.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

/// y = x * scale + shift per channel.
struct Affine {
  std::vector<double> scale, shift;
};

// Inference form of batch norm (Ioffe & Szegedy 2015) as an affine map, in double.
std::optional<Affine> affine_of_batch_norm(const Rewriter& r, const Node& n) {
  if (n.input(4) == ir::kNoValue || ir::attrs_of<op::BatchNorm>(n).activation != Activation::None) return std::nullopt;
  std::vector<std::vector<float>> p;
  for (size_t i = 1; i < 5; ++i) {
    auto values = r.floats(n.inputs[i]);
    if (!values) return std::nullopt;
    p.push_back(std::move(*values));
  }
  const auto epsilon = static_cast<double>(ir::attrs_of<op::BatchNorm>(n).epsilon);
  Affine a;
  for (size_t c = 0; c < p[0].size(); ++c) {
    const double s = static_cast<double>(p[0][c]) / std::sqrt(static_cast<double>(p[3][c]) + epsilon);
    a.scale.push_back(s);
    a.shift.push_back(static_cast<double>(p[1][c]) - static_cast<double>(p[2][c]) * s);
  }
  return a;
}

// Mul, div, add and sub with a constant per channel.
std::optional<Affine> affine_of_arithmetic(const Rewriter& r, const Node& n, size_t data, int64_t channels) {
  const auto c = per_channel(r, n.inputs[1 - data], channels);
  if (!c) return std::nullopt;
  Affine a{std::vector<double>(c->size(), 1.0), std::vector<double>(c->size(), 0.0)};
  for (size_t i = 0; i < c->size(); ++i) {
    const double v = (*c)[i];
    if (!std::isfinite(v)) return std::nullopt;
    if (n.is<op::Mul>())
      a.scale[i] = v;
    else if (n.is<op::Add>())
      a.shift[i] = v;
    else if (n.is<op::Sub>() && data == 0)
      a.shift[i] = -v;
    else if (n.is<op::Sub>())
      a.scale[i] = -1, a.shift[i] = v;
    else if (n.is<op::Div>() && data == 0 && v != 0)
      a.scale[i] = 1 / v;
    else
      return std::nullopt;
  }
  return a;
}

class WeightFolder {
 public:
  WeightFolder(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n) || n->writes_state >= 0) continue;
      if (n->is<op::BatchNorm>())
        batch_norm(*n);
      else if (n->is<op::Mul>() || n->is<op::Add>() || n->is<op::Sub>() || n->is<op::Div>())
        arithmetic(*n);
      else if (n->is<op::Conv>())
        pad_into_conv(*n);
      else if (n->is<op::AveragePool>())
        pad_into_average_pool(*n);
    }
    return changes_;
  }

 private:
  void batch_norm(Node& n) {
    auto a = affine_of_batch_norm(r_, n);
    if (!a) return;
    ++changes_;
    Node* anchor = open_anchor(r_, n.inputs[0], n);
    if (anchor != nullptr && channels_of(r_, *anchor) == static_cast<int64_t>(a->scale.size()) &&
        scale_and_shift(r_, n, *anchor, a->scale, a->shift)) {
      note(options_, "batch norm into weights", n);
      return;
    }
    const DType type = r_.dtype(n.inputs[0]);
    const std::vector<int64_t> dims = {static_cast<int64_t>(a->scale.size())};
    const ValueId scaled = r_.insert<op::Mul>(n, {n.inputs[0], r_.add_constant(make_real(type, a->scale, dims))});
    r_.become<op::Add>(n, {scaled, r_.add_constant(make_real(type, a->shift, dims))});
    note(options_, "batch norm alone", n);
  }

  void arithmetic(Node& n) {
    for (size_t data = 0; data < 2; ++data) {
      Node* anchor = open_anchor(r_, n.inputs[data], n);
      if (anchor == nullptr || !same_shape(r_.shape(n.inputs[data]), r_.shape(n.outputs[0]))) continue;
      const auto a = affine_of_arithmetic(r_, n, data, channels_of(r_, *anchor));
      if (a && scale_and_shift(r_, n, *anchor, a->scale, a->shift)) {
        ++changes_;
        return;
      }
      if (scale_product(n, *anchor, data) || add_bias(n, *anchor, data)) {
        ++changes_;
        return;
      }
    }
    scale_before_product(n);
  }

  // matmul(a, b) * c with weights that vary: alpha.
  bool scale_product(Node& n, const Node& anchor, size_t data) {
    const auto c = r_.uniform(n.inputs[1 - data]);
    if (!c || !anchor.is<op::MatMul>() || anchor.input(2) != kNoValue || r_.constant(n.inputs[1 - data])->count() != 1)
      return false;
    if (!dtype_is_float(r_.dtype(n.outputs[0])) || (n.is<op::Div>() && (data != 0 || *c == 0)) ||
        !(n.is<op::Mul>() || n.is<op::Div>()))
      return false;
    auto attrs = ir::attrs_of<op::MatMul>(anchor);
    attrs.alpha = static_cast<float>(n.is<op::Mul>() ? static_cast<double>(attrs.alpha) * *c
                                                     : static_cast<double>(attrs.alpha) / *c);
    if (!std::isfinite(attrs.alpha)) return false;
    r_.become<op::MatMul>(n, {anchor.inputs[0], anchor.inputs[1]}, attrs);
    return true;
  }

  // matmul(x * c, w) and matmul(a, b * c) with one number c: alpha of the one reader.
  void scale_before_product(Node& n) {
    if (!n.is<op::Mul>() && !n.is<op::Div>()) return;
    Node* reader = r_.only_reader(n.outputs[0]);
    if (reader == nullptr || !reader->is<op::MatMul>() || !dtype_is_float(r_.dtype(n.outputs[0]))) return;
    if (reader->inputs[0] != n.outputs[0] && reader->inputs[1] != n.outputs[0])
      return;  // it is the bias or the residual
    for (size_t data = 0; data < 2; ++data) {
      const ir::Constant* constant = r_.constant(n.inputs[1 - data]);
      const auto c = r_.uniform(n.inputs[1 - data]);
      if (!c || constant->count() != 1 || *c == 0 || (n.is<op::Div>() && data != 0)) continue;
      if (!same_shape(r_.shape(n.inputs[data]), r_.shape(n.outputs[0]))) continue;
      auto attrs = ir::attrs_of<op::MatMul>(*reader);
      attrs.alpha = static_cast<float>(n.is<op::Mul>() ? static_cast<double>(attrs.alpha) * *c
                                                       : static_cast<double>(attrs.alpha) / *c);
      if (!std::isfinite(attrs.alpha)) return;
      r_.set_attrs(*reader, &attrs);
      const size_t slot = reader->inputs[0] == n.outputs[0] ? 0 : 1;
      r_.set_input(*reader, slot, n.inputs[data]);
      ++changes_;
      return;
    }
  }

  // A bias that is no constant (or meets weights that are none).
  bool add_bias(Node& n, const Node& anchor, size_t data) {
    const ValueId bias = n.inputs[1 - data];
    const int64_t channels = channels_of(r_, anchor);
    if (!n.is<op::Add>() || anchor.input(2) != kNoValue || channels < 1 || r_.dtype(bias) != r_.dtype(n.outputs[0]))
      return false;
    const DimShape& s = r_.shape(bias);
    ValueId vector = bias;
    if (s.rank != 1 || !s[0].is_const() || s[0].lo != channels) {
      const auto values = per_channel(r_, bias, channels);
      if (!values) return false;
      vector = r_.add_constant(make_real(r_.dtype(bias), *values, {channels}));
    }
    with_anchor_attrs(anchor, [&](const auto& a) {
      r_.become(n, *anchor.def, {anchor.inputs[0], anchor.inputs[1], vector}, &a);
      return 0;
    });
    return true;
  }

  // Zero padding in front of a window op with explicit pads, on spatial axes only: befores and afters to add.
  std::optional<std::vector<int64_t>> zero_pads(const Node& pad, int rank) {
    const auto pads = r_.ints(pad.inputs[1]);
    if (!pads || ir::attrs_of<op::Pad>(pad).mode != PadMode::Constant) return std::nullopt;
    if (pad.input(2) != kNoValue && r_.uniform(pad.inputs[2]) != 0.0) return std::nullopt;
    std::vector<int64_t> axes;
    if (pad.input(3) != kNoValue) {
      const auto given = r_.ints(pad.inputs[3]);
      if (!given) return std::nullopt;
      axes = *given;
    } else {
      for (int d = 0; d < rank; ++d) axes.push_back(d);
    }
    const auto spatial = static_cast<size_t>(rank - 2);
    std::vector<int64_t> out(2 * spatial, 0);
    for (size_t k = 0; k < axes.size(); ++k) {
      const int64_t before = (*pads)[k], after = (*pads)[k + axes.size()],
                    axis = axes[k] < 0 ? axes[k] + rank : axes[k];
      if (before == 0 && after == 0) continue;
      if (before < 0 || after < 0 || axis == 0 || axis == rank - 1) return std::nullopt;
      out[static_cast<size_t>(axis) - 1] += before;
      out[static_cast<size_t>(axis) - 1 + spatial] += after;
    }
    return out;
  }

  void pad_into_conv(Node& n) {
    const Node* pad = r_.produced_by<op::Pad>(n.inputs[0]);
    if (pad == nullptr) return;
    const ir::DecodedAttrs decoded(n);
    auto attrs = *static_cast<const op::Conv::Attrs*>(decoded.get());
    auto pads = zero_pads(*pad, r_.rank(n.inputs[0]));
    if (!pads || attrs.auto_pad != AutoPad::NotSet) return;
    for (size_t i = 0; i < attrs.pads.size(); ++i) (*pads)[i] += attrs.pads[i];
    attrs.pads = *pads;
    r_.become<op::Conv>(n, with_input0(n, pad->inputs[0]), attrs);
    ++changes_;
  }

  void pad_into_average_pool(Node& n) {
    const Node* pad = r_.produced_by<op::Pad>(n.inputs[0]);
    if (pad == nullptr) return;
    const ir::DecodedAttrs decoded(n);
    auto attrs = *static_cast<const op::AveragePool::Attrs*>(decoded.get());
    auto pads = zero_pads(*pad, r_.rank(n.inputs[0]));
    const bool bare = std::all_of(attrs.pads.begin(), attrs.pads.end(), [](int64_t p) { return p == 0; });
    if (!pads || attrs.auto_pad != AutoPad::NotSet || attrs.ceil_mode || !bare) return;
    attrs.pads = *pads;
    attrs.count_include_pad = true;  // the zeros counted before, so they count now
    r_.become<op::AveragePool>(n, {pad->inputs[0]}, attrs);
    ++changes_;
  }

  static std::vector<ValueId> with_input0(const Node& n, ValueId x) {
    std::vector<ValueId> inputs = n.inputs;
    inputs[0] = x;
    return inputs;
  }

  Rewriter& r_;
  const PassOptions& options_;
  int changes_ = 0;
};

}  // namespace

int fold_weights(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  int total = 0;
  for (int round = 0; round < 4; ++round) {  // chains: conv, mul, add
    const int changed = for_each_rewriter(model, [&](Rewriter& r) { return WeightFolder(r, options).run(); });
    total += changed;
    if (changed == 0) break;
  }
  return total;
}

}  // namespace gf
