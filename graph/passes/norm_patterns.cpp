// Normalisations written out: layer norm, RMS norm and softmax from means, squares, roots and divisions, in the shapes
// that exporters and people give them.
#include <algorithm>
#include <cmath>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

/// x / root or x * reciprocal root, of the same value.
struct Normalised {
  ValueId numerator = kNoValue;
  ValueId variance = kNoValue;  // mean of squares
  double epsilon = 0;
};

class NormMatcher {
 public:
  NormMatcher(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n) || n->writes_state >= 0) continue;
      if (n->is<op::Div>() && softmax(*n)) continue;
      if (n->is<op::Div>() || n->is<op::Mul>()) norm(*n);
    }
    for (Node* n : r_.nodes())
      if (r_.alive(n) && n->writes_state < 0 && (n->is<op::Mul>() || n->is<op::Add>())) scale_or_shift(*n);
    return changes_;
  }

 private:
  // v + epsilon, either way round.
  bool add_epsilon(ValueId v, ValueId& variance, double& epsilon) const {
    const Node* add = r_.produced_by<op::Add>(v);
    if (add == nullptr) return false;
    for (size_t i = 0; i < 2; ++i) {
      const auto e = r_.uniform(add->inputs[1 - i]);
      if (!e || *e < 0 || *e > 1e-1) continue;
      variance = add->inputs[i];
      epsilon = *e;
      return true;
    }
    return false;
  }

  // sqrt(v + epsilon) or (v + epsilon)^0.5
  bool root(ValueId v, ValueId& variance, double& epsilon) const {
    const Node* n = r_.producer(v);
    if (n == nullptr) return false;
    const bool is_root = n->is<op::Sqrt>() || (n->is<op::Pow>() && r_.is_uniform(n->inputs[1], 0.5));
    return is_root && add_epsilon(n->inputs[0], variance, epsilon);
  }
  // 1 / root(v) in one of its forms
  bool reciprocal_root(ValueId v, ValueId& variance, double& epsilon) const {
    const Node* n = r_.producer(v);
    if (n == nullptr) return false;
    if (n->is<op::Reciprocal>()) return root(n->inputs[0], variance, epsilon);
    if (n->is<op::Div>() && r_.is_uniform(n->inputs[0], 1)) return root(n->inputs[1], variance, epsilon);
    if (n->is<op::Pow>() && r_.is_uniform(n->inputs[1], -0.5)) return add_epsilon(n->inputs[0], variance, epsilon);
    return false;
  }

  std::optional<Normalised> normalised(const Node& n) const {
    Normalised out;
    if (n.is<op::Div>()) {
      out.numerator = n.inputs[0];
      if (root(n.inputs[1], out.variance, out.epsilon)) return out;
      return std::nullopt;
    }
    for (size_t i = 0; i < 2; ++i) {
      out.numerator = n.inputs[i];
      if (reciprocal_root(n.inputs[1 - i], out.variance, out.epsilon)) return out;
    }
    return std::nullopt;
  }

  // The first axis when `v` is mean(x) over all axes from it on with the axes kept; -1 otherwise.
  int trailing_mean(ValueId v, ValueId& x) const {
    const Node* n = r_.produced_by<op::ReduceMean>(v);
    if (n == nullptr || n->input(1) != kNoValue) return -1;
    const ir::DecodedAttrs decoded(*n);
    const auto& a = *static_cast<const ReduceAttrs*>(decoded.get());
    const int rank = r_.rank(n->inputs[0]);
    if (!a.keepdims || a.axes.empty()) return -1;
    uint32_t axes = 0;
    for (int64_t d : a.axes) axes |= 1U << (d < 0 ? d + rank : d);
    const int first = rank - static_cast<int>(a.axes.size());
    if (first < 0 || axes != (((1U << rank) - 1) & ~((1U << first) - 1))) return -1;
    x = n->inputs[0];
    return first;
  }

  bool is_square(ValueId v, ValueId of) const {
    const Node* n = r_.producer(v);
    if (n == nullptr) return false;
    if (n->is<op::Mul>()) return n->inputs[0] == of && n->inputs[1] == of;
    return n->is<op::Pow>() && n->inputs[0] == of && r_.is_uniform(n->inputs[1], 2);
  }

  // x - mean(x); returns the first axis of the mean.
  int centred(ValueId v, ValueId& x) const {
    const Node* sub = r_.produced_by<op::Sub>(v);
    if (sub == nullptr) return -1;
    ValueId mean_of = kNoValue;
    const int axis = trailing_mean(sub->inputs[1], mean_of);
    if (axis < 0 || mean_of != sub->inputs[0]) return -1;
    x = mean_of;
    return axis;
  }

  void norm(Node& n) {
    const auto parts = normalised(n);
    if (!parts || !dtype_is_float(r_.dtype(n.outputs[0]))) return;
    ValueId squares = kNoValue, x = kNoValue;
    const int axis = trailing_mean(parts->variance, squares);
    if (axis < 0 || !same_shape(r_.shape(parts->numerator), r_.shape(n.outputs[0]))) return;
    const Node* square = r_.producer(squares);
    if (square == nullptr || square->inputs.empty()) return;
    const ValueId base = square->inputs[0];
    if (!is_square(squares, base)) return;
    const DType type = r_.dtype(n.outputs[0]);
    // the squared and the divided differences may be two nodes that compute the same
    ValueId of_square = kNoValue;
    if (centred(parts->numerator, x) == axis && centred(base, of_square) == axis && x == of_square) {
      r_.become<op::LayerNorm>(n, {x, ones(type, r_.shape(x), axis)},
                               {.axis = axis, .epsilon = static_cast<float>(parts->epsilon)});
      note(options_, "layer_norm", n);
    } else if (base == parts->numerator) {
      r_.become<op::RmsNorm>(n, {base, ones(type, r_.shape(base), axis)},
                             {.axis = axis, .epsilon = static_cast<float>(parts->epsilon)});
      note(options_, "rms_norm", n);
    } else {
      return;
    }
    ++changes_;
  }

  // A scale of one that spans the normalised axes; of one element when their lengths vary.
  ValueId ones(DType type, const DimShape& x, int axis) {
    ir::Builder b(r_.entry(), r_.block());
    const ir::ConstantPtr one = r_.entry().value(b.scalar(type, 1)).constant;
    std::vector<int64_t> dims;
    for (int d = axis; d < x.rank; ++d) {
      if (!x[d].is_const()) return r_.add_constant(one);
      dims.push_back(x[d].lo);
    }
    return r_.add_constant(ir::make_splat(type, dims, one->data));
  }

  // norm(x) * scale and norm(x) + bias with constants (or values) that span the normalised axes.
  void scale_or_shift(Node& n) {
    for (size_t i = 0; i < 2; ++i) {
      Node* norm = r_.producer(n.inputs[i]);
      if (norm == nullptr || r_.only_reader(n.inputs[i]) != &n || norm->outputs.size() != 1) continue;
      const bool layer = norm->is<op::LayerNorm>(), rms = norm->is<op::RmsNorm>();
      if (!layer && !rms) continue;
      const ir::DecodedAttrs decoded(*norm);
      int64_t axis = layer ? static_cast<const op::LayerNorm::Attrs*>(decoded.get())->axis
                           : static_cast<const op::RmsNorm::Attrs*>(decoded.get())->axis;
      if (axis < 0) axis += r_.rank(n.inputs[i]);
      const ValueId p = n.inputs[1 - i];
      if (!spans(p, r_.shape(n.inputs[i]), static_cast<int>(axis)) || r_.dtype(p) != r_.dtype(n.outputs[0])) continue;
      std::vector<ValueId> inputs = norm->inputs;
      const bool bare_bias = norm->input(2) == kNoValue;
      if (n.is<op::Mul>()) {
        if (!bare_bias || !r_.is_uniform(inputs[1], 1, 0)) continue;
        inputs[1] = p;
      } else {
        if (!layer || !bare_bias) continue;
        inputs.resize(3, kNoValue);
        inputs[2] = p;
      }
      r_.become(n, *norm->def, inputs, decoded.get());
      ++changes_;
      return;
    }
  }

  // The same trailing dimensions as x from `axis` on and nothing else.
  bool spans(ValueId p, const DimShape& x, int axis) const {
    const DimShape& s = r_.shape(p);
    const int length = x.rank - axis;
    if (s.rank < length) return false;
    for (int k = 1; k <= s.rank; ++k) {
      const Dim have = s[s.rank - k];
      if (k <= length ? !have.same(x[x.rank - k]) : !(have.is_const() && have.lo == 1)) return false;
    }
    return s.rank <= x.rank;
  }

  // exp(x - max(x)) / sum(exp(x - max(x))), or without the maximum.
  bool softmax(Node& n) {
    const Node* exp = r_.produced_by<op::Exp>(n.inputs[0]);
    const Node* sum = r_.produced_by<op::ReduceSum>(n.inputs[1]);
    if (exp == nullptr || sum == nullptr || sum->inputs[0] != n.inputs[0] || sum->input(1) != kNoValue) return false;
    const ir::DecodedAttrs decoded(*sum);
    const auto& a = *static_cast<const ReduceAttrs*>(decoded.get());
    if (!a.keepdims || a.axes.size() != 1) return false;
    ValueId x = exp->inputs[0];
    if (const Node* sub = r_.produced_by<op::Sub>(x)) {
      const Node* max = r_.produced_by<op::ReduceMax>(sub->inputs[1]);
      if (max != nullptr && max->inputs[0] == sub->inputs[0] && max->input(1) == kNoValue) {
        const ir::DecodedAttrs max_decoded(*max);
        const auto& m = *static_cast<const ReduceAttrs*>(max_decoded.get());
        if (m.keepdims && std::equal(m.axes.begin(), m.axes.end(), a.axes.begin(), a.axes.end())) x = sub->inputs[0];
      }
    }
    const int64_t axis = a.axes[0];
    r_.become<op::Softmax>(n, {x}, {.axis = axis});
    note(options_, "softmax", n);
    ++changes_;
    return true;
  }

  Rewriter& r_;
  const PassOptions& options_;
  int changes_ = 0;
};

}  // namespace

int match_norms(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  return for_each_rewriter(model, [&](Rewriter& r) { return NormMatcher(r, options).run(); });
}

}  // namespace gf
