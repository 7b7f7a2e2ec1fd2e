// Gradients of tables (embeddings) that are rows added to zeros, in a train step: where all that becomes of one is a multiple that is taken
// off a State (plain gradient descent), the multiples of the rows go into that State itself; where it is added to another tensor (a table
// that serves as a matrix too), the rows go there. So no tensor of the table's size is made. Rules that look at every row, because they have
// momentum, decay weights or need the norm of the gradient, keep it.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace gf {
namespace {

using ir::Node;
using ir::ValueId;

class RowUpdates {
 public:
  RowUpdates(Rewriter& r, const PassOptions& options) : r_(r), options_(options) {}

  int run() {
    int changes = 0;
    for (Node* n : r_.nodes()) {
      if (!r_.alive(n)) continue;
      if ((n->is<op::Sub>() && descend(*n)) || (n->is<op::Add>() && add(*n))) ++changes;
    }
    return changes;
  }

 private:
  // A constant, or 0 repeated: without an evaluator nothing is folded.
  bool is_zeros(ValueId v) const {
    const Node* repeated = r_.produced_by<op::Expand>(v);
    return r_.is_uniform(repeated != nullptr ? repeated->inputs[0] : v, 0, 0);
  }
  // Rows added to zeros, for nobody else, and fewer than the table has.
  const Node* rows_of(ValueId v) const {
    const Node* n = r_.single_use(v) ? r_.produced_by<op::AddRows>(v) : nullptr;
    const bool few = n != nullptr && is_zeros(n->inputs[0]) && estimated_bytes(r_.value(n->inputs[2])) < estimated_bytes(r_.value(v));
    return few ? n : nullptr;
  }
  bool is_number(ValueId v) const {
    const DimShape& s = r_.shape(v);
    return s.rank == 0 || (s.rank == 1 && s[0].is_const() && s[0].lo == 1);
  }

  // p - c * (0 with rows added)  ->  p with -c * rows added
  bool descend(Node& sub) {
    const ValueId p = sub.inputs[0];
    if (r_.value(p).state < 0 || !same_shape(r_.shape(p), r_.shape(sub.inputs[1])) || (r_.dtype(p) != DType::F32 && r_.dtype(p) != DType::F64)) return false;
    std::vector<const Node*> steps;  // from the table back to the rows
    ValueId v = sub.inputs[1];
    const Node* rows = rows_of(v);
    for (; rows == nullptr; rows = rows_of(v)) {
      const Node* n = r_.single_use(v) ? r_.producer(v) : nullptr;
      if (n == nullptr) return false;
      if (n->is<op::Neg>() || (n->is<op::Div>() && is_number(n->inputs[1])) || (n->is<op::Mul>() && is_number(n->inputs[1]))) v = n->inputs[0];
      else if (n->is<op::Mul>() && is_number(n->inputs[0])) v = n->inputs[1];
      else return false;
      steps.push_back(n);
    }
    if (!same_shape(r_.shape(v), r_.shape(p))) return false;
    note(options_, "rows added in place", sub);
    ValueId x = rows->inputs[2];
    for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
      std::vector<ValueId> inputs = (*it)->inputs;
      std::replace(inputs.begin(), inputs.end(), v, x);
      v = (*it)->outputs[0];
      x = r_.insert(sub, *(*it)->def, std::move(inputs), ir::DecodedAttrs(**it).get()).outputs[0];
    }
    const ValueId indices = rows->inputs[1];
    x = r_.insert<op::Neg>(sub, {x});
    r_.become<op::AddRows>(sub, {p, indices, x});
    return true;
  }

  // x + (0 with rows added)  ->  x with rows added
  bool add(Node& sum) {
    for (size_t k = 0; k < 2; ++k) {
      const ValueId x = sum.inputs[1 - k];
      const Node* rows = rows_of(sum.inputs[k]);
      if (rows == nullptr || r_.producer(x) == nullptr || !r_.single_use(x) || !same_shape(r_.shape(x), r_.shape(sum.inputs[k]))) continue;
      note(options_, "rows added to a sum", sum);
      r_.become<op::AddRows>(sum, {x, rows->inputs[1], rows->inputs[2]});
      return true;
    }
    return false;
  }

  Rewriter& r_;
  const PassOptions& options_;
};

}  // namespace

int add_rows_in_place(ir::Model& model, const PassOptions& options) {
  if (!options.exact) return 0;
  return for_each_rewriter(model, [&](Rewriter& r) { return RowUpdates(r, options).run(); });
}

}  // namespace gf
