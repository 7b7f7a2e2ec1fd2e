// Attention written out: softmax(scale * q k^T + mask) v with the transposes of heads around it becomes the attention
// op; transposes that are left in front of matrix products become their attributes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

const Perm kSwapLast = {0, 1, 3, 2};   // k <-> k^T
const Perm kSwapHeads = {0, 2, 1, 3};  // [B, S, H, D] <-> [B, H, S, D]

/// v = scale * transpose(base, perm)
struct Stripped {
  ValueId base = kNoValue;
  Perm perm;
  double scale = 1;
};

class AttentionMatcher {
 public:
  AttentionMatcher(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    for (Node* n : r_.nodes())
      if (r_.alive(n) && n->is<op::MatMul>() && n->writes_state < 0) match(*n);
    return changes_;
  }

 private:
  struct Parts {
    Stripped q, k, v;  // k in the order of q (not transposed)
    ValueId mask = kNoValue;
    bool causal = false;
    double scale = 1;
  };

  // A factor: x * c or x / c with one number c.
  bool factor(const Node& n, ValueId& x, double& c) const {
    if (!n.is<op::Mul>() && !n.is<op::Div>()) return false;
    for (size_t i = 0; i < (n.is<op::Mul>() ? 2U : 1U); ++i) {
      const auto number = r_.uniform(n.inputs[1 - i]);
      if (!number || *number == 0 || !same_shape(r_.shape(n.inputs[i]), r_.shape(n.outputs[0]))) continue;
      x = n.inputs[i];
      c = n.is<op::Mul>() ? *number : 1 / *number;
      return true;
    }
    return false;
  }

  Stripped strip(ValueId v) const {
    Stripped s{v, {}, 1};
    for (int d = 0; d < r_.rank(v); ++d) s.perm.push_back(d);
    while (const Node* n = r_.producer(s.base)) {
      ValueId x = kNoValue;
      double c = 1;
      if (n->is<op::Transpose>())
        s.perm = compose(perm_of(*n, r_.rank(s.base)), s.perm);
      else if (factor(*n, x, c))
        s.scale *= c;
      else
        break;
      s.base = n->inputs[0];
      if (x != kNoValue) s.base = x;
    }
    return s;
  }

  static bool plain(const op::MatMul::Attrs& a) { return a.activation == Activation::None; }

  void match(Node& n) {
    const auto outer = ir::attrs_of<op::MatMul>(n);
    if (r_.rank(n.outputs[0]) != 4 || outer.transpose_a || outer.alpha != 1 || !plain(outer) || n.inputs.size() > 2)
      return;
    Parts p;
    if (!probabilities(n.inputs[0], p)) return;
    p.v = strip(n.inputs[1]);
    if (outer.transpose_b) p.v.perm = compose(p.v.perm, kSwapLast);
    if (p.v.scale != 1 || r_.rank(p.v.base) != 4 || r_.rank(p.q.base) != 4 || r_.rank(p.k.base) != 4) return;
    if (r_.dtype(n.outputs[0]) != DType::F32 || !shapes_fit(n, p)) return;
    build(n, p);
  }

  // The batch and head axes of q, k and v are the same (no broadcasting), as the op wants them.
  bool shapes_fit(const Node& n, const Parts& p) const {
    const auto dim = [&](const Stripped& s, int d) {
      return r_.shape(s.base)[static_cast<int>(s.perm[static_cast<size_t>(d)])];
    };
    for (int d = 0; d < 2; ++d)
      if (!dim(p.q, d).same(dim(p.k, d)) || !dim(p.k, d).same(dim(p.v, d)) ||
          !dim(p.q, d).same(r_.shape(n.outputs[0])[d]))
        return false;
    return dim(p.q, 3).same(dim(p.k, 3)) && dim(p.k, 2).same(dim(p.v, 2));
  }

  // softmax over the last axis, read by this product alone; exporters put a guard against rows of NaN around it.
  bool probabilities(ValueId v, Parts& p) {
    const Node* n = r_.producer(v);
    if (n == nullptr) return false;
    if (n->is<op::Where>()) {
      const Node* is_nan = r_.produced_by<op::IsNan>(n->inputs[0]);
      if (is_nan == nullptr || is_nan->inputs[0] != n->inputs[2] || r_.uniform(n->inputs[1]) != 0.0 ||
          !r_.single_use(v))
        return false;
      n = r_.producer(n->inputs[2]);
      if (n == nullptr || r_.readers(n->outputs[0]).size() != 2 || r_.is_output(n->outputs[0])) return false;
    } else if (!r_.single_use(v)) {
      return false;
    }
    if (!n->is<op::Softmax>() || n->writes_state >= 0) return false;
    const int64_t axis = ir::attrs_of<op::Softmax>(*n).axis;
    if (axis != -1 && axis != r_.rank(n->outputs[0]) - 1) return false;
    return scores(n->inputs[0], p);
  }

  // [mask] [scale] product
  bool scores(ValueId v, Parts& p) {
    const Node* n = r_.producer(v);
    if (n == nullptr || !r_.single_use(v)) return false;
    if (n->is<op::Add>() && !is_product(n->inputs[0]) && !is_product(n->inputs[1])) return false;
    if (n->is<op::Add>()) {
      const size_t side = is_product(n->inputs[0]) ? 0 : 1;
      if (r_.rank(n->inputs[1 - side]) > 4 || !same_shape(r_.shape(n->inputs[side]), r_.shape(v))) return false;
      if (!is_causal_constant(n->inputs[1 - side], p)) p.mask = n->inputs[1 - side];
      return product(n->inputs[side], p);
    }
    if (n->is<op::Where>()) return where_mask(*n, p);
    return product(v, p);
  }

  bool is_product(ValueId v) const {
    while (const Node* n = r_.producer(v)) {
      ValueId x = kNoValue;
      double c = 1;
      if (n->is<op::MatMul>()) return r_.rank(v) == 4;
      if (!factor(*n, x, c)) return false;
      v = x;
    }
    return false;
  }

  // where(condition, scores, very negative) and the other way round.
  bool where_mask(const Node& n, Parts& p) {
    const bool scores_first = is_product(n.inputs[1]);
    const ValueId x = n.inputs[scores_first ? 1 : 2], other = n.inputs[scores_first ? 2 : 1];
    const auto low = r_.uniform(other);
    if (!is_product(x) || !low || *low > -1e30 || r_.rank(n.inputs[0]) > 4 ||
        !same_shape(r_.shape(x), r_.shape(n.outputs[0])))
      return false;
    // -inf forbids a key; a finite number is added, which keeps what a row without any key gives
    if (scores_first && std::isinf(*low)) {
      p.mask = n.inputs[0];
    } else {
      const float zero = 0;
      const ValueId nothing = r_.add_constant(ir::make_floats({&zero, 1}, {}));
      const auto l = static_cast<float>(*low);
      const ValueId much = r_.add_constant(ir::make_floats({&l, 1}, {}));
      p.mask = scores_first ? r_.insert<op::Where>(n, {n.inputs[0], nothing, much})
                            : r_.insert<op::Where>(n, {n.inputs[0], much, nothing});
    }
    return product(x, p);
  }

  // A constant [.., S, S] of 0 below and on the diagonal and -inf above it.
  bool is_causal_constant(ValueId v, Parts& p) const {
    const ir::Constant* c = r_.constant(v);
    if (c == nullptr || c->splat || c->dims.size() < 2 || c->dtype != DType::F32) return false;
    const auto size = static_cast<size_t>(c->dims.back());
    if (c->dims[c->dims.size() - 2] != c->dims.back() || size < 2 || c->count() != static_cast<int64_t>(size * size))
      return false;
    const auto values = r_.floats(v);
    for (size_t i = 0; i < size; ++i)
      for (size_t j = 0; j < size; ++j)
        if (j <= i ? (*values)[i * size + j] != 0 : !((*values)[i * size + j] < -1e30F)) return false;
    p.causal = true;
    return true;
  }

  bool product(ValueId v, Parts& p) {
    const Node* n = r_.producer(v);
    ValueId x = kNoValue;
    double c = 1;
    while (n != nullptr && r_.single_use(v) && factor(*n, x, c)) {
      p.scale *= c;
      v = x;
      n = r_.producer(v);
    }
    if (n == nullptr || !n->is<op::MatMul>() || !r_.single_use(v) || n->inputs.size() > 2) return false;
    const auto a = ir::attrs_of<op::MatMul>(*n);
    if (!plain(a) || r_.rank(v) != 4) return false;
    p.q = strip(n->inputs[0]);
    p.k = strip(n->inputs[1]);
    if (p.q.perm.size() != 4 || p.k.perm.size() != 4) return false;
    if (a.transpose_a) p.q.perm = compose(p.q.perm, kSwapLast);
    if (!a.transpose_b) p.k.perm = compose(p.k.perm, kSwapLast);
    p.scale *= static_cast<double>(a.alpha) * p.q.scale * p.k.scale;
    return std::isfinite(p.scale) && p.scale != 0;
  }

  bool moves_bytes(const Stripped& s, const Perm& perm) const {
    int64_t last = -1;
    for (int64_t d : perm) {
      const Dim& length = r_.shape(s.base)[static_cast<int>(d)];
      if (length.is_const() && length.lo == 1) continue;
      if (d < last) return true;
      last = d;
    }
    return false;
  }

  ValueId in_order(const Node& anchor, const Stripped& s, const Perm& perm) {
    return is_identity(perm) ? s.base : r_.insert<op::Transpose>(anchor, {s.base}, {.perm = perm});
  }

  void build(Node& n, const Parts& p) {
    const std::array<const Stripped*, 3> all = {&p.q, &p.k, &p.v};
    Node* after = r_.only_reader(n.outputs[0]);
    const bool back = after != nullptr && after->is<op::Transpose>() && perm_of(*after, 4) == kSwapHeads;
    int first_cost = back ? 1 : 0, inner_cost = back ? 0 : 1;
    for (const Stripped* s : all) {
      first_cost += moves_bytes(*s, s->perm) ? 1 : 0;
      inner_cost += moves_bytes(*s, compose(s->perm, kSwapHeads)) ? 1 : 0;
    }
    const bool inner = inner_cost < first_cost;
    std::vector<ValueId> inputs;
    for (const Stripped* s : all) inputs.push_back(in_order(n, *s, inner ? compose(s->perm, kSwapHeads) : s->perm));
    if (p.mask != kNoValue) inputs.push_back(p.mask);
    op::Attention::Attrs attrs;
    attrs.layout = inner ? AttentionLayout::HeadsInner : AttentionLayout::HeadsFirst;
    attrs.scale = static_cast<float>(p.scale);
    attrs.is_causal = p.causal;
    note(options_, p.causal ? "attention, causal" : p.mask != kNoValue ? "attention, masked" : "attention", n);
    if (inner) {
      const ValueId y = r_.insert<op::Attention>(n, inputs, attrs);
      r_.become<op::Transpose>(n, {y}, {.perm = kSwapHeads});
    } else {
      r_.become<op::Attention>(n, inputs, attrs);
    }
    ++changes_;
  }

  Rewriter& r_;
  const PassOptions& options_;
  int changes_ = 0;
};

// matmul(transpose(a), b): when the transpose swaps the last two axes, and only they matter, it is an attribute.
class TransposeAbsorber {
 public:
  explicit TransposeAbsorber(Rewriter& r) : r_(r) {}
  int run() {
    for (Node* n : r_.nodes())
      if (r_.alive(n) && n->is<op::MatMul>() && n->writes_state < 0)
        for (size_t i = 0; i < 2; ++i) absorb(*n, i);
    return changes_;
  }

 private:
  void absorb(Node& n, size_t side) {
    const Node* t = r_.produced_by<op::Transpose>(n.inputs[side]);
    if (t == nullptr) return;
    const int rank = r_.rank(n.inputs[side]);
    if (rank < 2) return;
    const Perm perm = perm_of(*t, rank);
    for (int d = 0; d < rank - 2; ++d)
      if (perm[static_cast<size_t>(d)] != d) return;
    if (perm[static_cast<size_t>(rank) - 1] != rank - 2) return;
    auto attrs = ir::attrs_of<op::MatMul>(n);
    bool& flag = side == 0 ? attrs.transpose_a : attrs.transpose_b;
    flag = !flag;
    std::vector<ValueId> inputs = n.inputs;
    inputs[side] = t->inputs[0];
    r_.become<op::MatMul>(n, inputs, attrs);
    ++changes_;
  }

  Rewriter& r_;
  int changes_ = 0;
};

}  // namespace

int match_attention(ir::Model& model, const PassOptions& options) {
  if (options.exact) return 0;
  return for_each_rewriter(model, [&](Rewriter& r) { return AttentionMatcher(r, options).run(); });
}

int absorb_transposes(ir::Model& model, const PassOptions&) {
  return for_each_rewriter(model, [](Rewriter& r) { return TransposeAbsorber(r).run(); });
}

}  // namespace gf
