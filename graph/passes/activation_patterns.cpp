// Activations written out in simple ops (GELU in both forms, SiLU, Mish, HardSwish, ...): a piece of graph with one
// input is recognised by its values at sample points, so every way of writing the formula is found.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "graph/passes/passes.h"
#include "graph/passes/scalar_eval.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

constexpr size_t kMaxNodes = 14;

// Dense around the bends, wide enough to tell the tails.
const std::vector<double>& samples() {
  static const std::vector<double> points = [] {
    std::vector<double> p;
    for (int k = -24; k <= 24; ++k) p.push_back(0.31 * k + 0.013);
    for (double x : {-60.0, -25.0, -11.5, -9.0, 9.0, 11.5, 25.0, 60.0, -3.0, 3.0, 6.0, -1e-3, 1e-3}) p.push_back(x);
    return p;
  }();
  return points;
}

struct Values {
  std::vector<double> y;  // at samples()
};

// Equal up to the rounding of float constants in the formula.
bool matches(const Values& v, const auto& expected) {
  for (size_t i = 0; i < v.y.size(); ++i) {
    const double want = expected(samples()[i]), got = v.y[i];
    if (!(std::fabs(got - want) <= 1e-7 + 2e-6 * std::fabs(want))) return false;
  }
  return true;
}

template <class Op>
bool try_op(Rewriter& r, Node& root, ValueId x, const Values& v, const typename Op::Attrs& attrs) {
  if (!matches(v, [&](double s) { return Op::apply(s, attrs); })) return false;
  r.become<Op>(root, {x}, attrs);
  return true;
}

class ActivationMatcher {
 public:
  ActivationMatcher(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    std::vector<Node*> nodes = r_.nodes();
    for (size_t i = 0; i < nodes.size(); ++i) order_[nodes[i]] = i;
    std::reverse(nodes.begin(), nodes.end());  // the largest piece first
    for (Node* n : nodes)
      if (r_.alive(n) && may_be_root(*n)) match(*n);
    return changes_;
  }

 private:
  bool may_be_root(const Node& n) const {
    return n.writes_state < 0 && scalar_arity(*n.def) == 2 && n.outputs[0] != kNoValue &&
           r_.dtype(n.outputs[0]) == DType::F32;
  }

  // Grows the piece from the root upwards, latest node first; every time one value feeds it, it is a candidate. The
  // largest that is a known function wins.
  void match(Node& root) {
    std::vector<const Node*> piece;
    std::vector<ValueId> open;
    std::vector<ScalarFunction> candidates;
    const Node* next = &root;
    while (next != nullptr && piece.size() < kMaxNodes && take(*next, piece, open)) {
      if (open.size() == 1 && piece.size() >= 2 && closed(piece, root) &&
          same_shape(r_.shape(open[0]), r_.shape(root.outputs[0])))
        candidates.push_back({open[0], root.outputs[0], piece});
      if (open.empty()) break;
      const auto latest =
          std::max_element(open.begin(), open.end(), [&](ValueId a, ValueId b) { return place(a) < place(b); });
      next = place(*latest) < 0 ? nullptr : r_.producer(*latest);
      open.erase(latest);
    }
    for (auto it = candidates.rbegin(); it != candidates.rend(); ++it)
      if (try_piece(root, *it)) return;
  }

  bool try_piece(Node& root, ScalarFunction f) {
    std::sort(f.nodes.begin(), f.nodes.end(),
              [&](const Node* a, const Node* b) { return order_.at(a) < order_.at(b); });
    Values v;
    for (double x : samples()) v.y.push_back(f(r_, x));
    if (!replace(root, f, v)) return false;
    ++changes_;
    note(options_, root.def->info.name, root);
    return true;
  }

  bool replace(Node& root, const ScalarFunction& f, const Values& v) {
    const ValueId x = f.variable;
    if (try_op<op::Gelu>(r_, root, x, v, {op::Gelu::Approximate::None})) return true;
    if (try_op<op::Gelu>(r_, root, x, v, {op::Gelu::Approximate::Tanh})) return true;
    if (try_op<op::HardSwish>(r_, root, x, v, {})) return true;
    if (try_op<op::Mish>(r_, root, x, v, {})) return true;
    if (try_op<op::Sigmoid>(r_, root, x, v, {})) return true;
    if (try_op<op::Softplus>(r_, root, x, v, {})) return true;
    if (try_op<op::Relu>(r_, root, x, v, {})) return true;
    const double gate = f(r_, 1.0);  // swish: 1 / (1 + exp(-alpha))
    if (gate > 0.5 && gate < 1) {
      double alpha = std::log(gate / (1 - gate));
      if (std::fabs(alpha - 1) < 1e-5) alpha = 1;
      if (try_op<op::Swish>(r_, root, x, v, {static_cast<float>(alpha)})) return true;
    }
    const double beta = f(r_, 0.0), slope = (f(r_, 0.01) - beta) / 0.01;
    if (slope > 0 && try_op<op::HardSigmoid>(r_, root, x, v, {static_cast<float>(slope), static_cast<float>(beta)}))
      return true;
    const double negative = -f(r_, -1.0);
    return negative > 0 && negative < 1 && try_op<op::LeakyRelu>(r_, root, x, v, {static_cast<float>(negative)});
  }

  bool take(const Node& n, std::vector<const Node*>& piece, std::vector<ValueId>& open) const {
    const int arity = scalar_arity(*n.def);
    if (arity == 0 || n.writes_state >= 0 || !order_.contains(&n) || r_.dtype(n.outputs[0]) != DType::F32) return false;
    for (int i = 0; i < arity; ++i) {
      const ValueId v = n.inputs[static_cast<size_t>(i)];
      if (r_.value(v).is_constant()) {
        if (!r_.uniform(v)) return false;
      } else if (std::find(open.begin(), open.end(), v) == open.end()) {
        open.push_back(v);
      }
    }
    piece.push_back(&n);
    return true;
  }

  // Nobody outside reads what the piece computes on the way.
  bool closed(const std::vector<const Node*>& piece, const Node& root) const {
    for (const Node* n : piece) {
      if (n == &root) continue;
      if (r_.is_output(n->outputs[0])) return false;
      for (const Node* reader : r_.readers(n->outputs[0]))
        if (std::find(piece.begin(), piece.end(), reader) == piece.end()) return false;
    }
    return true;
  }

  int64_t place(ValueId v) const {
    const auto it = order_.find(r_.producer(v));
    return it == order_.end() ? -1 : static_cast<int64_t>(it->second);
  }

  Rewriter& r_;
  const PassOptions& options_;
  std::map<const Node*, size_t> order_;
  int changes_ = 0;
};

}  // namespace

int match_activations(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  return for_each_rewriter(model, [&](Rewriter& r) { return ActivationMatcher(r, options).run(); });
}

}  // namespace gf
