// Batch normalisation with the statistics of the batch, as train steps have it. The activation behind it moves into it, and into its
// gradient, which computes again from x where the activation let through; so what stands between normalisation and activation is never in
// memory. The result, where only gradients of convolutions by their weights still read it late, is made again in front of them (one pass
// over memory, by statistics that are there): of the two images x and y only x waits for the backward part.
#include <algorithm>
#include <cmath>
#include <map>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using Attrs = op::BatchNorm::Attrs;

bool of_the_batch(const Node& n) { return n.is<op::BatchNorm>() && n.writes_state < 0 && n.input(3) == kNoValue; }

class ActivationFuser {
 public:
  explicit ActivationFuser(Rewriter& r) : r_(r) {}

  int run() {
    for (Node* n : r_.nodes())
      if (r_.alive(n) && of_the_batch(*n) && ir::attrs_of<op::BatchNorm>(*n).activation == Activation::None) fuse(*n);
    return changes_;
  }

 private:
  static bool is_activation(const Node& n) { return (n.is<op::Relu>() || n.is<op::Clip>()) && n.writes_state < 0; }
  static void put_in(const Node& activation, Attrs& a) {
    a.activation = activation.is<op::Relu>() ? Activation::Relu : Activation::Clamp;
    if (a.activation == Activation::Relu) return;
    const auto limits = ir::attrs_of<op::Clip>(activation);
    a.activation_a = static_cast<float>(limits.min);
    a.activation_b = static_cast<float>(limits.max);
  }

  void fuse(Node& norm) {
    const ValueId h = norm.outputs[0];
    const auto readers_of_h = r_.readers(h);
    const auto found = std::find_if(readers_of_h.begin(), readers_of_h.end(), [](const Node* n) { return is_activation(*n); });
    if (found == readers_of_h.end() || !same_shape(r_.shape(h), r_.shape((*found)->outputs[0]))) return;
    Node* activation = *found;
    Attrs a = ir::attrs_of<op::BatchNorm>(norm);
    put_in(*activation, a);
    if (a.activation == Activation::Clamp && !(a.activation_a <= a.activation_b)) return;
    const std::vector<Node*> readers(r_.readers(norm.inputs[0]).begin(), r_.readers(norm.inputs[0]).end());
    for (Node* g : readers)
      if (r_.alive(g) && g->is<op::BatchNormGrad>() && g->inputs[0] == norm.inputs[0] && g->inputs[1] == norm.inputs[1] &&
          g->inputs[2] == norm.output(1) && g->input(5) == kNoValue)
        fuse_gradient(*g, norm, *activation, a);
    if (!r_.single_use(h)) return;
    replace(norm, {norm.inputs[0], norm.inputs[1], norm.inputs[2]}, a, activation);
  }

  // A node like n with these inputs and attributes takes its place; the first output is that of `last`, where given.
  void replace(Node& n, std::vector<ValueId> inputs, const Attrs& a, Node* last) {
    const std::vector<ValueId> outputs = n.outputs;
    Node& made = r_.insert(n, *n.def, std::move(inputs), &a, outputs.size());
    for (size_t k = 1; k < outputs.size(); ++k)
      if (outputs[k] != kNoValue) r_.take_over(made, k, outputs[k]);
    r_.take_over(made, 0, last == nullptr ? outputs[0] : last->outputs[0]);
    if (last != nullptr) r_.erase(*last);
    if (r_.alive(&n)) r_.erase(n);
    ++changes_;
  }

  // The gradient lets dy through where the activation did: where(y <= 0, 0, dy), where(low <= h and h <= high, dy, 0).
  void fuse_gradient(Node& g, const Node& norm, const Node& activation, const Attrs& a) {
    Node* gate = r_.produced_by<op::Where>(g.inputs[4]);
    if (gate == nullptr || !r_.single_use(g.inputs[4])) return;
    const bool relu = a.activation == Activation::Relu;
    const size_t passes = relu ? 2 : 1;
    if (!r_.is_uniform(gate->inputs[3 - passes], 0) || !same_shape(r_.shape(gate->inputs[passes]), r_.shape(g.inputs[4]))) return;
    if (relu ? !is_at_most(gate->inputs[0], activation.outputs[0], 0) : !is_inside(gate->inputs[0], norm.outputs[0], a)) return;
    replace(g, {g.inputs[0], g.inputs[1], g.inputs[2], g.inputs[3], gate->inputs[passes], norm.inputs[2]}, a, nullptr);
  }

  bool is_limit(ValueId v, float limit) const { return r_.is_uniform(v, static_cast<double>(limit), 0); }
  bool is_at_most(ValueId condition, ValueId x, float limit) const {
    const Node* n = r_.produced_by<op::LessOrEqual>(condition);
    return n != nullptr && n->inputs[0] == x && is_limit(n->inputs[1], limit);
  }
  bool is_at_least(ValueId condition, ValueId x, float limit) const {
    const Node* n = r_.produced_by<op::LessOrEqual>(condition);
    return n != nullptr && n->inputs[1] == x && is_limit(n->inputs[0], limit);
  }
  bool is_inside(ValueId condition, ValueId x, const Attrs& a) const {
    if (std::isinf(a.activation_a)) return is_at_most(condition, x, a.activation_b);
    if (std::isinf(a.activation_b)) return is_at_least(condition, x, a.activation_a);
    const Node* both = r_.produced_by<op::And>(condition);
    return both != nullptr && is_at_least(both->inputs[0], x, a.activation_a) && is_at_most(both->inputs[1], x, a.activation_b);
  }

  Rewriter& r_;
  int changes_ = 0;
};

class ImageRemaker {
 public:
  explicit ImageRemaker(Rewriter& r) : r_(r) {
    size_t at = 0;
    for (const Node* n : r.nodes()) place_[n] = at++;
  }

  int run() {
    int changes = 0;
    for (Node* n : r_.nodes())
      if (of_the_batch(*n) && n->outputs.size() == 3 && n->outputs[1] != kNoValue && n->outputs[2] != kNoValue) changes += remake(*n);
    return changes;
  }

 private:
  // The gradient of the same normalisation: x is alive until then.
  const Node* gradient_of(const Node& norm) const {
    for (const Node* n : r_.readers(norm.inputs[0]))
      if (n->is<op::BatchNormGrad>() && n->inputs[0] == norm.inputs[0] && n->inputs[2] == norm.outputs[1]) return n;
    return nullptr;
  }
  // First node of the backward part that a convolution behind the normalisation has: the gradient by its weights reads y alone.
  int remake(Node& norm) {
    const Node* gradient = gradient_of(norm);
    const ValueId y = norm.outputs[0];
    if (gradient == nullptr || !place_.contains(gradient) || r_.is_output(y)) return 0;
    std::vector<Node*> late;
    size_t forward = 0;
    for (Node* n : r_.readers(y)) {
      if (!place_.contains(n)) return 0;  // in a nested block
      if (n->is<op::ConvWeightGrad>()) late.push_back(n);
      else forward = std::max(forward, place_.at(n));
    }
    if (late.empty() || forward == 0) return 0;
    Node* first = *std::min_element(late.begin(), late.end(), [&](const Node* a, const Node* b) { return place_.at(a) < place_.at(b); });
    if (place_.at(first) < forward || place_.at(first) > place_.at(gradient)) return 0;
    const auto attrs = ir::attrs_of<op::BatchNorm>(norm);
    Node& again = r_.insert(*first, op_def<op::BatchNorm>, {norm.inputs[0], norm.inputs[1], norm.inputs[2], norm.outputs[1], norm.outputs[2]}, &attrs);
    for (Node* n : late)
      for (size_t i = 0; i < n->inputs.size(); ++i)
        if (n->inputs[i] == y) r_.set_input(*n, i, again.outputs[0]);
    return 1;
  }

  Rewriter& r_;
  std::map<const Node*, size_t> place_;
};

}  // namespace

int fuse_norm_activations(ir::Model& model, const PassOptions&) {
  return for_each_rewriter(model, [](Rewriter& r) { return ActivationFuser(r).run(); });
}

int remake_normalised(ir::Model& model, const PassOptions&) {
  return for_each_rewriter(model, [](Rewriter& r) { return ImageRemaker(r).run(); });
}

}  // namespace gf
