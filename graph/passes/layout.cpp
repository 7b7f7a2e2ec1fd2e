// The layout pass: transposes sink towards the outputs, through everything that can work on permuted data, until they
// meet their inverse and vanish. What stays is what the graph's inputs, outputs and true reshapes need.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "graph/passes/layout_rules.h"
#include "graph/passes/passes.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

bool is_one(const Dim& d) { return d.is_const() && d.lo == 1; }

// A transpose that keeps the order of all axes longer than one moves no bytes.
bool moves_nothing(const DimShape& x, const Perm& perm) {
  int64_t last = -1;
  for (int64_t d : perm) {
    if (is_one(x[static_cast<int>(d)])) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

bool is_view(const Node& n) {
  return n.is<op::Reshape>() || n.is<op::Flatten>() || n.is<op::Squeeze>() || n.is<op::Unsqueeze>();
}

class LayoutPass {
 public:
  explicit LayoutPass(Rewriter& r) : r_(r) {}

  int run() {
    for (int round = 0; round < 12; ++round) {
      const int before = changes_;
      for (Node* n : r_.nodes())
        if (r_.alive(n)) visit(*n);
      if (changes_ == before) break;
    }
    for (Node* n : r_.nodes())
      if (r_.alive(n) && n->is<op::Transpose>()) finish(*n);
    return changes_;
  }

 private:
  struct Source {
    ValueId x = kNoValue;  // transpose(x, perm) is the input
    Perm perm;
    Node* node = nullptr;
  };

  std::optional<Source> source(ValueId v) const {
    Node* t = r_.produced_by<op::Transpose>(v);
    if (t == nullptr || t->writes_state >= 0) return std::nullopt;
    return Source{t->inputs[0], perm_of(*t, r_.rank(v)), t};
  }

  void visit(Node& n) {
    if (n.writes_state >= 0) return;
    if (n.is<op::Transpose>()) return merge(n);
    if (n.is<op::ShapeOf>()) return read_shape_before(n);
    if (is_view(n)) return sink_reshape(n);
    sink(n);
  }

  // transpose(transpose(x)) is one transpose, or nothing.
  void merge(Node& n) {
    const auto s = source(n.inputs[0]);
    const Perm own = perm_of(n, r_.rank(n.outputs[0]));
    if (is_identity(own)) {
      if (r_.replace(n.outputs[0], n.inputs[0])) ++changes_;
      return;
    }
    if (!s) return before_pad(n, own);
    const Perm both = compose(s->perm, own);
    if (is_identity(both) && r_.replace(n.outputs[0], s->x)) {
      ++changes_;
      return;
    }
    r_.become<op::Transpose>(n, {s->x}, {.perm = both});
    ++changes_;
  }

  // transpose(pad(x)) = pad(transpose(x)): a window op can take the padding then.
  void before_pad(Node& n, const Perm& own) {
    Node* pad = r_.produced_by<op::Pad>(n.inputs[0]);
    if (pad == nullptr || !r_.single_use(n.inputs[0]) || pad->input(3) != kNoValue || source(pad->inputs[0])) return;
    const auto pads = r_.ints(pad->inputs[1]);
    if (!pads || pads->size() != 2 * own.size()) return;
    std::vector<int64_t> moved;
    for (size_t half = 0; half < 2; ++half)
      for (int64_t d : own) moved.push_back((*pads)[static_cast<size_t>(d) + half * own.size()]);
    std::vector<ValueId> inputs = pad->inputs;
    inputs[0] = r_.insert<op::Transpose>(*pad, {pad->inputs[0]}, {.perm = own});
    inputs[1] = r_.add_ints(moved);
    const auto attrs = ir::attrs_of<op::Pad>(*pad);
    r_.become<op::Pad>(n, inputs, attrs);
    ++changes_;
  }

  // The dimensions of transpose(x) are those of x in another order: shape arithmetic must not keep a transpose alive.
  void read_shape_before(Node& n) {
    const auto s = source(n.inputs[0]);
    if (!s) return;
    const ir::DecodedAttrs decoded(n);
    int start = 0, end = 0;
    op::ShapeOf::bounds(*static_cast<const op::ShapeOf::Attrs*>(decoded.get()), r_.rank(n.inputs[0]), start, end);
    if (end <= start) return;
    const std::vector<int64_t> picked(s->perm.begin() + start, s->perm.begin() + end);
    const ValueId dims = r_.insert<op::ShapeOf>(n, {s->x});
    r_.become<op::Gather>(n, {dims, r_.add_ints(picked)}, {.axis = 0});
    ++changes_;
  }

  void sink_reshape(Node& n) {
    const auto s = source(n.inputs[0]);
    const ir::Value& result = r_.value(n.outputs[0]);
    if (!s || !result.shape_known) return;
    const auto moved = move_reshape(r_, r_.shape(s->x), s->perm, result.shape);
    if (!moved) return;
    if (!r_.single_use(n.inputs[0]) && !is_identity(moved->out_perm) && !absorbed(n.outputs[0], moved->out_perm))
      return;
    const ValueId y = r_.reshape(n, s->x, moved->target);
    if (y == kNoValue) return;
    finish_sink(n, y, moved->out_perm);
  }

  // n's output becomes transpose(y, perm).
  void finish_sink(Node& n, ValueId y, const Perm& perm) {
    ++changes_;
    if (is_identity(perm) && y != kNoValue && r_.producer(y) != nullptr && r_.replace(n.outputs[0], y)) return;
    if (is_identity(perm))
      r_.become<op::Identity>(n, {y});
    else
      r_.become<op::Transpose>(n, {y}, {.perm = perm});
  }

  void sink(Node& n) {
    std::map<Perm, double> candidates;  // permutation -> bytes of inputs that have it
    for (ValueId v : n.inputs)
      if (v != kNoValue)
        if (const auto s = source(v)) candidates[s->perm] += estimated_bytes(r_.value(v));
    const Perm* best = nullptr;
    for (const auto& [perm, bytes] : candidates)
      if (best == nullptr || bytes > candidates[*best]) best = &perm;
    if (best == nullptr) return;
    const Perm perm = *best;
    size_t first = 0;
    while (n.inputs[first] == kNoValue || !source(n.inputs[first]) || source(n.inputs[first])->perm != perm) ++first;
    auto moved = move_before_transpose(r_, n, first, perm);
    if (moved && worth_it(n, *moved, perm) && gather_inputs(n, *moved, perm)) apply(n, *moved);
  }

  // Bytes of transposes that go minus bytes of those that come.
  bool worth_it(const Node& n, const MovedNode& moved, const Perm& perm) {
    double balance = 0;
    std::set<ValueId> seen;
    for (size_t i = 0; i < moved.roles.size(); ++i) {
      const ValueId v = i < n.inputs.size() ? n.inputs[i] : kNoValue;
      if (v == kNoValue || moved.roles[i] == InputRole::Keep || !seen.insert(v).second) continue;
      const auto s = source(v);
      if (s && s->perm == perm) {
        const auto readers = r_.readers(v);
        if (!r_.is_output(v) &&
            std::all_of(readers.begin(), readers.end(), [&](const Node* o) { return o == &n || may_move(*o); }))
          balance += estimated_bytes(r_.value(v));
      } else if (!r_.value(v).is_constant()) {
        if (moved.roles[i] == InputRole::Permuted && r_.rank(v) != static_cast<int>(perm.size())) return false;
        if (!moves_nothing(padded(r_.shape(v), perm.size()), inverse(perm))) balance -= estimated_bytes(r_.value(v));
      }
    }
    for (size_t k = 0; k < n.outputs.size(); ++k)
      if (n.outputs[k] != kNoValue && !is_identity(moved.out_perms[k]) && !absorbed(n.outputs[k], moved.out_perms[k]))
        balance -= estimated_bytes(r_.value(n.outputs[k]));
    return balance >= 0;
  }

  // Cheap guess whether a transpose would sink through `n`.
  static bool may_move(const Node& n) {
    return is_elementwise(n) || n.is<op::Transpose>() || n.is<op::Concat>() || n.is<op::Split>() || n.is<op::Slice>() ||
           n.is<op::Pad>() || n.is<op::ReduceMean>() || n.is<op::ReduceSum>() || n.is<op::ReduceMax>() ||
           n.is<op::Resize>() || n.is<op::Softmax>() || n.is<op::ShapeOf>() || n.is<op::ArgMax>();
  }

  // Would a transpose of value v by `perm` meet another one that it cancels or merges with?
  bool absorbed(ValueId v, const Perm& perm) {
    std::set<ValueId> visited;
    return absorbed(v, perm, visited);
  }
  bool absorbed(ValueId v, const Perm& perm, std::set<ValueId>& visited) {
    if (!visited.insert(v).second) return false;
    if (visited.size() > 400) return true;
    for (Node* n : r_.readers(v)) {
      if (n->is<op::Transpose>()) return true;
      if (n->outputs.empty() || n->outputs[0] == kNoValue) continue;
      if (is_view(*n) && r_.value(n->outputs[0]).shape_known) {
        DimShape x;
        for (int64_t d : inverse(perm)) x.push(r_.shape(v)[static_cast<int>(d)]);
        const auto moved = move_reshape(r_, x, perm, r_.shape(n->outputs[0]));
        if (moved && (is_identity(moved->out_perm) || absorbed(n->outputs[0], moved->out_perm, visited))) return true;
        continue;
      }
      const auto slot = static_cast<size_t>(std::find(n->inputs.begin(), n->inputs.end(), v) - n->inputs.begin());
      if (!may_move(*n) || n->is<op::ShapeOf>()) continue;
      const auto moved = move_before_transpose(r_, *n, slot, perm);
      if (!moved) continue;
      for (size_t k = 0; k < n->outputs.size(); ++k)
        if (n->outputs[k] != kNoValue && absorbed(n->outputs[k], moved->out_perms[k], visited)) return true;
    }
    return false;
  }

  static DimShape padded(const DimShape& s, size_t rank) {
    DimShape out;
    for (size_t d = static_cast<size_t>(s.rank); d < rank; ++d) out.push(1);
    for (int d = 0; d < s.rank; ++d) out.push(s[d]);
    return out;
  }

  // Replaces moved.inputs by values in the source's order; false (nothing changed but unread nodes) when one cannot be
  // had.
  bool gather_inputs(const Node& n, MovedNode& moved, const Perm& perm) {
    const Perm back = inverse(perm);
    for (size_t i = 0; i < moved.inputs.size(); ++i) {
      const ValueId v = moved.inputs[i];
      if (v == kNoValue || moved.roles[i] == InputRole::Keep) continue;
      const auto s = source(v);
      if (s && s->perm == perm) {
        moved.inputs[i] = s->x;
        continue;
      }
      const ValueId p = permuted_input(n, v, back, moved.roles[i] == InputRole::Broadcast);
      if (p == kNoValue) return false;
      moved.inputs[i] = p;
    }
    return true;
  }

  ValueId permuted_input(const Node& n, ValueId v, const Perm& back, bool broadcast) {
    const DimShape s = r_.shape(v);
    const size_t rank = back.size();
    if (static_cast<size_t>(s.rank) > rank || (!broadcast && static_cast<size_t>(s.rank) != rank)) return kNoValue;
    if (broadcast) {
      bool single = true;
      for (int d = 0; d < s.rank; ++d) single = single && is_one(s[d]);
      if (single && s.rank == 0) return v;
    }
    if (const ir::Constant* c = r_.constant(v)) {
      std::vector<int64_t> dims(rank - c->dims.size(), 1);
      dims.insert(dims.end(), c->dims.begin(), c->dims.end());
      auto moved = transpose_constant(*reshape_constant(*c, dims), back);
      if (moved == nullptr) return kNoValue;
      if (broadcast) {  // leading ones say nothing; the other inputs give the rank
        std::vector<int64_t> bare = moved->dims;
        while (bare.size() > 1 && bare.front() == 1) bare.erase(bare.begin());
        moved = reshape_constant(*moved, bare);
      }
      return r_.add_constant(moved);
    }
    ValueId full = v;
    if (static_cast<size_t>(s.rank) < rank) {
      std::vector<int64_t> axes(rank - static_cast<size_t>(s.rank));
      for (size_t d = 0; d < axes.size(); ++d) axes[d] = static_cast<int64_t>(d);
      full = r_.insert<op::Unsqueeze>(n, {v}, {.axes = axes});
    }
    return r_.insert<op::Transpose>(n, {full}, {.perm = back});
  }

  void apply(Node& n, const MovedNode& moved) {
    Node probe;  // decodes the owned attributes
    probe.def = moved.def;
    probe.attrs = moved.attrs;
    probe.origin = n.origin;
    const ir::DecodedAttrs attrs(probe);
    Node& m = r_.insert(n, *moved.def, moved.inputs, attrs.get(), n.outputs.size());
    ++changes_;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const ValueId old = n.outputs[k];
      if (old == kNoValue) continue;
      if (is_identity(moved.out_perms[k])) {
        const DimShape shape = r_.shape(old);
        r_.take_over(m, k, old);
        r_.entry().value(old).shape = shape;
      } else {
        Node& t = insert_transpose(n, m.outputs[k], moved.out_perms[k]);
        r_.take_over(t, 0, old);
      }
    }
    r_.erase(n);
  }

  Node& insert_transpose(const Node& anchor, ValueId x, const Perm& perm) {
    const op::Transpose::Attrs attrs{.perm = perm};
    return r_.insert(anchor, op_def<op::Transpose>, {x}, &attrs);
  }

  // What is left: a transpose that moves no bytes is a reshape.
  void finish(Node& n) {
    const ValueId x = n.inputs[0];
    const Perm perm = perm_of(n, r_.rank(x));
    if (!moves_nothing(r_.shape(x), perm)) return;
    const ValueId y = r_.reshape(n, x, r_.shape(n.outputs[0]));
    if (y == kNoValue) return;
    if (y == x) {
      if (!r_.replace(n.outputs[0], x)) r_.become<op::Identity>(n, {x});
    } else if (!r_.replace(n.outputs[0], y)) {
      r_.become<op::Identity>(n, {y});
    }
    ++changes_;
  }

  Rewriter& r_;
  int changes_ = 0;
};

}  // namespace

int move_transposes(ir::Model& model, const PassOptions&) {
  return for_each_rewriter(model, [](Rewriter& r) { return LayoutPass(r).run(); });
}

}  // namespace gf
