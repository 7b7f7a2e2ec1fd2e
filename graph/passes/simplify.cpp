// Small rewrites on the way: chains of reshapes, reshapes around matrix products, casts, concats, needless expands, slices
// that take everything, conditions that are known, divisions that are exact multiplications.
#include <algorithm>
#include <cmath>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

bool is_view(const Node& n) {
  return n.is<op::Reshape>() || n.is<op::Flatten>() || n.is<op::Squeeze>() || n.is<op::Unsqueeze>();
}

// Every value of `from` has the same value in `to`.
bool widens(DType from, DType to) {
  if (from == to) return true;
  const auto bits = [](DType t) { return dtype_bits(t); };
  if (dtype_is_float(from)) return dtype_is_float(to) && bits(to) > bits(from) && bits(to) >= 32;
  if (from == DType::Bool) return dtype_is_int(to);
  return dtype_is_int(from) && dtype_is_int(to) && bits(to) > bits(from) && (dtype_is_signed_int(to) || !dtype_is_signed_int(from));
}

class Simplifier {
 public:
  Simplifier(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n) || n->writes_state >= 0 || n->outputs.empty() || n->outputs[0] == kNoValue) continue;
      if (!r_.value(n->outputs[0]).shape_known) continue;
      if (is_view(*n)) view(*n);
      else if (n->is<op::Cast>()) cast(*n);
      else if (n->is<op::Concat>()) concat(*n);
      else if (n->is<op::Slice>()) slice(*n);
      else if (n->is<op::Where>()) where(*n);
      else if (n->is<op::Div>()) divide(*n);
      else if (n->is<op::Pow>()) power(*n);
      else if (n->is<op::MatMul>()) product(*n);
      if (r_.alive(n) && is_elementwise(*n)) drop_expands(*n);
    }
    return changes_;
  }

 private:
  bool pass_on(Node& n, ValueId v) {
    if (!r_.replace(n.outputs[0], v)) return false;
    ++changes_;
    return true;
  }

  // Views of views are one reshape; a target that the input's own dimensions give is constant.
  void view(Node& n) {
    ValueId x = n.inputs[0];
    while (const Node* p = r_.producer(x)) {
      if (!is_view(*p) || p->writes_state >= 0) break;
      x = p->inputs[0];
    }
    const DimShape target = r_.shape(n.outputs[0]);
    if (!r_.value(x).shape_known) return;
    if (same_shape(r_.shape(x), target) && pass_on(n, x)) return;
    if (x == n.inputs[0] && (!n.is<op::Reshape>() || r_.constant(n.inputs[1]) != nullptr)) return;
    const auto dims = r_.static_target(r_.shape(x), target);
    if (!dims) return;
    if (x == n.inputs[0] && !n.is<op::Reshape>()) return;
    r_.become<op::Reshape>(n, {x, r_.add_ints(*dims)});
    ++changes_;
  }

  void cast(Node& n) {
    const Node* p = r_.produced_by<op::Cast>(n.inputs[0]);
    if (p == nullptr || p->writes_state >= 0 || !widens(r_.dtype(p->inputs[0]), r_.dtype(n.inputs[0]))) return;
    if (r_.dtype(p->inputs[0]) == r_.dtype(n.outputs[0]) && pass_on(n, p->inputs[0])) return;
    const auto attrs = ir::attrs_of<op::Cast>(n);
    r_.become<op::Cast>(n, {p->inputs[0]}, attrs);
    ++changes_;
  }

  void concat(Node& n) {
    const int rank = r_.rank(n.outputs[0]);
    const auto axis_of = [rank](const Node& c) {
      const int64_t axis = ir::attrs_of<op::Concat>(c).axis;
      return axis < 0 ? axis + rank : axis;
    };
    std::vector<ValueId> parts;
    bool changed = false;
    for (ValueId v : n.inputs) {
      const Node* p = r_.produced_by<op::Concat>(v);
      if (p != nullptr && r_.only_reader(v) == &n && axis_of(*p) == axis_of(n)) {
        parts.insert(parts.end(), p->inputs.begin(), p->inputs.end());
        changed = true;
      } else {
        parts.push_back(v);
      }
    }
    if (!changed) return;
    const auto attrs = ir::attrs_of<op::Concat>(n);
    r_.become<op::Concat>(n, parts, attrs);
    ++changes_;
  }

  void slice(Node& n) {
    if (!same_shape(r_.shape(n.inputs[0]), r_.shape(n.outputs[0]))) return;
    if (n.input(4) != kNoValue) {
      const auto steps = r_.ints(n.inputs[4]);
      if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s != 1; })) return;
    }
    pass_on(n, n.inputs[0]);
  }

  void where(Node& n) {
    const auto condition = r_.uniform(n.inputs[0]);
    if (!condition) return;
    const ValueId chosen = n.inputs[*condition != 0 ? 1 : 2];
    if (same_shape(r_.shape(chosen), r_.shape(n.outputs[0]))) pass_on(n, chosen);
  }

  // x / 2^k is x * 2^-k bit for bit while 2^-k is a normal number.
  void divide(Node& n) {
    const auto c = r_.uniform(n.inputs[1]);
    int exponent = 0;
    if (!c || r_.dtype(n.outputs[0]) != DType::F32 || *c == 0 || !std::isfinite(*c)) return;
    if (std::fabs(std::frexp(*c, &exponent)) != 0.5 || exponent < -100 || exponent > 100) return;
    const ir::Constant& old = *r_.constant(n.inputs[1]);
    const auto inverse = static_cast<float>(1 / *c);
    const auto bytes = std::as_bytes(std::span<const float>(&inverse, 1));
    r_.become<op::Mul>(n, {n.inputs[0], r_.add_constant(ir::make_splat(DType::F32, old.dims, bytes))});
    ++changes_;
  }

  void power(Node& n) {
    if (options_.exact || r_.dtype(n.outputs[0]) != DType::F32 || !r_.is_uniform(n.inputs[1], 2, 0)) return;
    if (!same_shape(r_.shape(n.inputs[0]), r_.shape(n.outputs[0]))) return;
    r_.become<op::Mul>(n, {n.inputs[0], n.inputs[0]});
    ++changes_;
  }

  // reshape(matmul(reshape(x), w)) with the last axes left alone: the product takes x as it is, leading axes and all.
  void product(Node& n) {
    const Node* before = r_.producer(n.inputs[0]);
    Node* after = r_.only_reader(n.outputs[0]);
    if (before == nullptr || after == nullptr || !is_view(*before) || !is_view(*after) || before->writes_state >= 0) return;
    const ValueId x = before->inputs[0];
    const DimShape &in = r_.shape(x), &rows = r_.shape(n.inputs[0]), &out = r_.shape(n.outputs[0]), &result = r_.shape(after->outputs[0]);
    const auto attrs = ir::attrs_of<op::MatMul>(n);
    if (attrs.transpose_a || n.input(3) != kNoValue || r_.rank(n.inputs[1]) != 2 || in.rank < 2 || rows.rank < 2 || result.rank < 2) return;
    if (!in[in.rank - 1].same(rows[rows.rank - 1]) || !result[result.rank - 1].same(out[out.rank - 1])) return;
    if (in.rank == rows.rank || in.rank != result.rank) return;
    std::vector<ValueId> inputs = n.inputs;
    inputs[0] = x;
    const ValueId y = r_.insert<op::MatMul>(n, inputs, attrs);
    const ValueId back = r_.reshape(n, y, out);
    if (back == kNoValue || !r_.replace(n.outputs[0], back)) return;
    ++changes_;
  }

  // op(expand(x), y) = op(x, y) where y has the result's shape already.
  void drop_expands(Node& n) {
    for (size_t i = 0; i < n.inputs.size() && n.inputs.size() > 1; ++i) {
      const Node* e = n.inputs[i] == kNoValue ? nullptr : r_.produced_by<op::Expand>(n.inputs[i]);
      if (e == nullptr || e->writes_state >= 0 || r_.rank(e->inputs[0]) > r_.rank(n.outputs[0])) continue;
      bool covered = false;
      for (size_t j = 0; j < n.inputs.size(); ++j)
        covered = covered || (j != i && n.inputs[j] != kNoValue && same_shape(r_.shape(n.inputs[j]), r_.shape(n.outputs[0])));
      if (!covered) continue;
      r_.set_input(n, i, e->inputs[0]);
      ++changes_;
    }
  }

  Rewriter& r_;
  const PassOptions& options_;
  int changes_ = 0;
};

}  // namespace

int simplify(ir::Model& model, const PassOptions& options) {
  int total = 0;
  for (int round = 0; round < 4; ++round) {
    const int changed = for_each_rewriter(model, [&](Rewriter& r) { return Simplifier(r, options).run(); });
    total += changed;
    if (changed == 0) break;
  }
  return total;
}

}  // namespace gf
