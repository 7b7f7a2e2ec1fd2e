// Epilogues: an addition of a tensor shaped like the result, then an activation, move into the matmul, conv or
// conv_transpose whose result they alone read.
#include <algorithm>
#include <cmath>

#include "graph/passes/anchors.h"
#include "graph/passes/passes.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

struct ActivationSpec {
  Activation kind = Activation::None;
  float a = 0, b = 0;
};

std::optional<ActivationSpec> activation_of(const Node& n) {
  if (n.is<op::Relu>()) return ActivationSpec{Activation::Relu};
  if (n.is<op::Sigmoid>()) return ActivationSpec{Activation::Sigmoid};
  if (n.is<op::Tanh>()) return ActivationSpec{Activation::Tanh};
  if (n.is<op::HardSwish>()) return ActivationSpec{Activation::HardSwish};
  if (n.is<op::LeakyRelu>()) return ActivationSpec{Activation::LeakyRelu, ir::attrs_of<op::LeakyRelu>(n).alpha};
  if (n.is<op::Elu>()) return ActivationSpec{Activation::Elu, ir::attrs_of<op::Elu>(n).alpha};
  if (n.is<op::Swish>()) return ActivationSpec{Activation::Silu, ir::attrs_of<op::Swish>(n).alpha};
  if (n.is<op::HardSigmoid>()) {
    const auto a = ir::attrs_of<op::HardSigmoid>(n);
    return ActivationSpec{Activation::HardSigmoid, a.alpha, a.beta};
  }
  if (n.is<op::Gelu>())
    return ActivationSpec{ir::attrs_of<op::Gelu>(n).approximate == op::Gelu::Approximate::Tanh ? Activation::GeluTanh
                                                                                               : Activation::Gelu};
  if (n.is<op::Clip>()) {
    const auto a = ir::attrs_of<op::Clip>(n);
    const auto low = static_cast<float>(a.min), high = static_cast<float>(a.max);
    if (!(low <= high)) return std::nullopt;
    if (low == 0 && std::isinf(high)) return ActivationSpec{Activation::Relu};
    return ActivationSpec{Activation::Clamp, low, high};
  }
  return std::nullopt;
}

class EpilogueFuser {
 public:
  explicit EpilogueFuser(Rewriter& r) : r_(r) {}

  int run() {
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n) || n->writes_state >= 0) continue;
      if (n->is<op::Add>())
        residual(*n);
      else
        activation(*n);
    }
    return changes_;
  }

 private:
  void activation(Node& n) {
    const auto spec = activation_of(n);
    if (!spec || r_.only_reader(n.inputs[0]) != &n) return;
    const Node* anchor = r_.producer(n.inputs[0]);
    if (anchor == nullptr || !is_anchor(*anchor) || has_activation(*anchor) || !dtype_is_float(r_.dtype(n.outputs[0])))
      return;
    const std::vector<ValueId> inputs = anchor->inputs;
    with_anchor_attrs(*anchor, [&](auto& a) {
      a.activation = spec->kind;
      a.activation_a = spec->a;
      a.activation_b = spec->b;
      r_.become(n, *anchor->def, inputs, &a);
      return 0;
    });
    ++changes_;
  }

  int place(const Node* n) const {
    const auto& nodes = r_.block().nodes;
    return static_cast<int>(std::find_if(nodes.begin(), nodes.end(), [n](const auto& p) { return p.get() == n; }) -
                            nodes.begin());
  }

  // Of two candidates the one that is computed later: the other's result need not wait for it.
  void residual(Node& n) {
    if (n.inputs[0] == n.inputs[1] || !dtype_is_float(r_.dtype(n.outputs[0]))) return;
    const Node* best = nullptr;
    size_t slot = 0;
    for (size_t i = 0; i < 2; ++i) {
      const Node* anchor = open_anchor(r_, n.inputs[i], n);
      if (anchor == nullptr || !same_shape(r_.shape(n.inputs[i]), r_.shape(n.outputs[0])) ||
          !same_shape(r_.shape(n.inputs[1 - i]), r_.shape(n.outputs[0])))
        continue;
      if (best == nullptr || place(anchor) > place(best)) best = anchor, slot = i;
    }
    if (best == nullptr) return;
    std::vector<ValueId> inputs = best->inputs;
    inputs.resize(4, kNoValue);
    inputs[3] = n.inputs[1 - slot];
    with_anchor_attrs(*best, [&](const auto& a) {
      r_.become(n, *best->def, inputs, &a);
      return 0;
    });
    ++changes_;
  }

  Rewriter& r_;
  int changes_ = 0;
};

}  // namespace

int fuse_epilogues(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  return for_each_rewriter(model, [](Rewriter& r) { return EpilogueFuser(r).run(); });
}

}  // namespace gf
