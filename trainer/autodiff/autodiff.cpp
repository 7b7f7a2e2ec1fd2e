#include "trainer/autodiff/autodiff.h"

#include <algorithm>
#include <deque>
#include <string_view>

#include "graph/ir/formula.h"
#include "graph/passes/expand.h"
#include "schema/ops/expand.h"
#include "schema/ops/if.h"
#include "schema/ops/loop.h"
#include "schema/ops/reshape.h"
#include "schema/ops/shape.h"
#include "trainer/autodiff/blocks.h"
#include "trainer/autodiff/recorded.h"

namespace gf {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

std::string name_of(const ir::Entry& entry, ValueId v) {
  const std::string& name = entry.value(v).name;
  return name.empty() ? "value " + std::to_string(v) : "'" + name + "'";
}

// A tensor of one number in the shape of `like`.
ValueId filled(ir::Entry& entry, ir::Block& block, double number, ValueId like) {
  ir::Builder b(entry, block);
  const ValueId one = b.scalar(b.dtype(like), number);
  const DimShape shape = b.shape(like);
  if (shape.rank == 0) return one;
  if (!shape.is_const()) return b.add<op::Expand>({one, b.add<op::ShapeOf>({like})});
  std::vector<int64_t> dims;
  for (int d = 0; d < shape.rank; ++d) dims.push_back(shape[d].lo);
  return entry.add_constant(ir::make_splat(b.dtype(like), dims, entry.value(one).constant->data));
}

// What a node reads, its sub-graphs too.
std::vector<ValueId> reads_of(const Node& n) {
  std::vector<ValueId> all = n.inputs;
  if (!n.blocks.empty())
    for (const ValueId v : captured_values(n)) all.push_back(v);
  return all;
}

// Neither a rule nor the promise of one: OpDef::gradient is the reason.
bool cuts(const OpDef& def) {
  const std::string_view gradient = def.gradient;
  return gradient != "rule" && gradient != "pending";
}

class Backward;

// One node under its rule.
class GraphDifferentiator final : public ir::GraphFormula<Differentiator> {
 public:
  GraphDifferentiator(Backward& owner, Node& node);

  int input_count() const override { return static_cast<int>(node_.inputs.size()); }
  Var input(int i) override { return var(node_.input(static_cast<size_t>(i))); }
  int output_count() const override { return static_cast<int>(node_.outputs.size()); }
  Var output(int i) override {
    const auto k = static_cast<size_t>(i);
    if (node_.outputs.size() <= k) node_.outputs.resize(k + 1, kNoValue);
    if (node_.outputs[k] == kNoValue) {
      guarded([&] {
        node_.outputs[k] = entry().add_value({});
        ir::infer_node(entry(), node_);
      });
    }
    return var(node_.outputs[k]);
  }
  Var output_gradient(int i) override;
  bool wants(int i) const override;
  bool known_ints(Var x, IntList& contents) override;

 private:
  void take(int i, Var dx) override;

  Backward& owner_;
  Node& node_;
  std::deque<std::vector<int64_t>> lists_;
};

class Backward {
 public:
  /// Appends to `block`, which need not stand in the entry yet.
  Backward(ir::Entry& entry, ir::Block& block, const AutodiffOptions& options) : entry_(entry), block_(block), options_(options) {
    for (const ValueId v : options.stops) put(stops_, v);
    for (const AutodiffOptions::Detour& d : options.detours) put(stops_, d.from);
  }

  /// `must_reach`: that nothing leads from wrt to a result is an error.
  std::vector<ValueId> run(std::span<const ValueId> of, std::span<const ValueId> seeds, std::span<const ValueId> wrt,
                           bool must_reach);

  ir::Entry& entry() const { return entry_; }
  ir::Block& block() const { return block_; }
  const OpTable& ops() const { return options_.ops; }
  bool leads(ValueId v) const { return at(leads_, v); }
  ValueId gradient(ValueId v) const {
    return static_cast<size_t>(v) < gradients_.size() ? gradients_[static_cast<size_t>(v)] : kNoValue;
  }
  /// What the node that makes v hears of.
  ValueId passing(ValueId v) const { return v == kNoValue || at(stops_, v) ? kNoValue : gradient(v); }
  void add(ValueId v, ValueId dx, ir::Builder& builder) {
    if (gradients_.size() <= static_cast<size_t>(v)) gradients_.resize(entry_.value_count(), kNoValue);
    ValueId& sum = gradients_[static_cast<size_t>(v)];
    sum = sum == kNoValue ? dx : builder.add<op::Add>({sum, dx});
  }

 private:
  static bool at(const std::vector<bool>& set, ValueId v) {
    return v >= 0 && static_cast<size_t>(v) < set.size() && set[static_cast<size_t>(v)];
  }
  void put(std::vector<bool>& set, ValueId v) const {
    if (set.size() <= static_cast<size_t>(v)) set.resize(std::max(entry_.value_count(), static_cast<size_t>(v) + 1));
    set[static_cast<size_t>(v)] = true;
  }
  bool is_float(ValueId v) const { return v != kNoValue && dtype_is_float(entry_.value(v).dtype); }
  void expect_float(ValueId v, const char* what) const {
    if (is_float(v)) return;
    throw Exception(Error::TypeMismatch, std::string(what) + " " + (v == kNoValue ? "is missing" : name_of(entry_, v) + " is " +
                                             dtype_name(entry_.value(v).dtype)) + "; only floats have gradients");
  }
  bool is_led_to(const Node& n) const {
    const std::vector<ValueId> reads = reads_of(n);
    return std::any_of(reads.begin(), reads.end(), [&](ValueId v) { return leads(v); });
  }
  // Where the gradient of what n makes goes instead of through n.
  template <class F>
  void detours_of(const Node& n, F f) const {
    for (const AutodiffOptions::Detour& d : options_.detours)
      if (std::find(n.outputs.begin(), n.outputs.end(), d.from) != n.outputs.end()) f(d);
  }
  // Results of n lead on when an input does.
  void lead_through(const Node& n) {
    detours_of(n, [&](const AutodiffOptions::Detour& d) {
      if (leads(d.to)) put(leads_, d.from);
    });
    if (cuts(*n.def)) return;
    if (!is_led_to(n)) return;
    for (const ValueId v : n.outputs)
      if (is_float(v)) put(leads_, v);
  }
  // Values from which the results can be reached.
  std::vector<bool> reaching(std::span<const ValueId> of) const {
    std::vector<bool> set;
    for (const ValueId v : of) put(set, v);
    for (auto it = block_.nodes.rbegin(); it != block_.nodes.rend(); ++it) {
      const Node& n = **it;
      detours_of(n, [&](const AutodiffOptions::Detour& d) {
        if (at(set, d.from) && leads(d.to)) put(set, d.to);
      });
      if (cuts(*n.def)) continue;
      if (std::any_of(n.outputs.begin(), n.outputs.end(), [&](ValueId v) { return at(set, v) && !at(stops_, v); }))
        for (const ValueId v : reads_of(n))
          if (leads(v)) put(set, v);
    }
    return set;
  }
  void expect_reached(std::span<const ValueId> of) const;
  void differentiate(Node& n, std::vector<Node*>& rest);
  void expand(Node& n, const OpRules* formula, std::vector<Node*>& rest);
  void unroll(Node& n, std::vector<Node*>& rest);
  void differentiate_branches(const Node& n);
  ir::Block branch_gradient(const Node& n, size_t branch, std::span<const ValueId> wrt);
  void put_in_place(size_t place, size_t count, std::vector<Node*>& rest);
  size_t place_of(const Node& n) const;

  ir::Entry& entry_;
  ir::Block& block_;
  const AutodiffOptions& options_;
  std::vector<bool> leads_;           // values that depend on wrt through ops with gradients
  std::vector<bool> stops_;
  std::vector<ValueId> gradients_;    // by value; kNoValue: zero so far
};

GraphDifferentiator::GraphDifferentiator(Backward& owner, Node& node)
    : GraphFormula(owner.entry(), owner.block(), owner.ops(), node.name, "gradient of " + node.origin),
      owner_(owner), node_(node) {}

Var GraphDifferentiator::output_gradient(int i) {
  const ValueId v = node_.output(static_cast<size_t>(i));
  return var(owner_.passing(v));
}
bool GraphDifferentiator::wants(int i) const { return owner_.leads(node_.input(static_cast<size_t>(i))); }
void GraphDifferentiator::take(int i, Var dx) { owner_.add(node_.input(static_cast<size_t>(i)), dx.id, builder()); }

bool GraphDifferentiator::known_ints(Var x, IntList& contents) {
  if (!x) return false;
  const ir::Value& v = entry().value(x.id);
  std::vector<int64_t> list;
  if (v.constant) {
    auto ints = ir::constant_ints(*v.constant);
    if (!ints) return false;
    list = std::move(*ints);
  } else {
    if (!v.values_known) return false;
    for (const Dim& d : v.values) {
      if (!d.is_const()) return false;
      list.push_back(d.lo);
    }
  }
  contents = lists_.emplace_back(std::move(list));
  return true;
}

// Something must lead from wrt to a result, else the user should hear what stands between.
void Backward::expect_reached(std::span<const ValueId> of) const {
  if (of.empty() || std::any_of(of.begin(), of.end(), [&](ValueId v) { return leads(v); })) return;
  std::string text = name_of(entry_, of[0]) + " does not depend on any value that a gradient is asked for";
  for (const auto& n : block_.nodes)
    if (cuts(*n->def) && std::any_of(n->inputs.begin(), n->inputs.end(), [&](ValueId v) { return leads(v); })) {
      text += " other than through " + n->origin + ", which has no gradient: " + n->def->gradient;
      break;
    }
  throw Exception(Error::InvalidArgument, text);
}

size_t Backward::place_of(const Node& n) const {
  const auto at = std::find_if(block_.nodes.begin(), block_.nodes.end(), [&](const auto& p) { return p.get() == &n; });
  return static_cast<size_t>(at - block_.nodes.begin());
}
// `count` nodes from `place` on took the place of one; they are differentiated next.
void Backward::put_in_place(size_t place, size_t count, std::vector<Node*>& rest) {
  for (size_t k = 0; k < count; ++k) {
    Node& m = *block_.nodes[place + k];
    lead_through(m);
    rest.push_back(&m);
  }
}

void Backward::expand(Node& n, const OpRules* formula, std::vector<Node*>& rest) {
  const size_t place = place_of(n), before = block_.nodes.size();
  const std::string origin = n.origin;
  ExpandOptions options;
  options.rules = {&formula, formula == nullptr ? 0U : 1U};
  options.ops = options_.ops;
  options.wanted = [&n](const Node& node) { return &node == &n; };
  if (expand_fused(entry_, block_, options) == 0)
    throw Exception(Error::Unsupported, origin + ": op " + n.def->info.name +
                                            " has neither a gradient rule for this form nor an expansion");
  put_in_place(place, block_.nodes.size() + 1 - before, rest);
}

void Backward::unroll(Node& n, std::vector<Node*>& rest) {
  const size_t place = place_of(n);
  put_in_place(place, unroll_loop(entry_, block_, place), rest);
}

// The branch again, and its gradients by wrt as outputs.
ir::Block Backward::branch_gradient(const Node& n, size_t branch, std::span<const ValueId> wrt) {
  std::unordered_map<ValueId, ValueId> values;
  ir::Block block = copy_block(entry_, n.blocks[branch], values);
  std::vector<ValueId> of, seeds;
  ir::Builder b(entry_, block);
  b.set_origin(n.name, "gradient of " + n.origin);
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    const ValueId seed = passing(n.outputs[k]);
    if (seed == kNoValue) continue;
    of.push_back(block.outputs[k]);
    const DimShape& shape = b.shape(of.back());
    bool same = shape.rank == b.rank(seed);
    for (int d = 0; same && d < shape.rank; ++d) same = shape[d].same(b.shape(seed)[d]);
    seeds.push_back(same ? seed : b.add<op::Reshape>({seed, b.add<op::ShapeOf>({of.back()})}, {.allowzero = true}));
  }
  std::vector<ValueId> results = Backward(entry_, block, options_).run(of, seeds, wrt, false);
  block.outputs.clear();
  for (size_t k = 0; k < wrt.size(); ++k)  // what a branch gives is made in it
    block.outputs.push_back(b.add<op::Identity>({results[k] == kNoValue ? filled(entry_, block, 0, wrt[k]) : results[k]}));
  return block;
}

// One more `if`: each branch is computed again with its gradients by what either reads.
void Backward::differentiate_branches(const Node& n) {
  std::vector<ValueId> wrt;
  for (const ValueId v : captured_values(n))
    if (leads(v) && is_float(v)) wrt.push_back(v);
  std::vector<ir::Block> blocks;
  for (size_t k = 0; k < n.blocks.size(); ++k) {
    if (is_random(n.blocks[k]))
      throw Exception(Error::Unsupported, n.origin + ": the gradient of a branch with a random op, which would draw again");
    blocks.push_back(branch_gradient(n, k, wrt));
  }
  ir::Builder b(entry_, block_);
  b.set_origin(n.name, "gradient of " + n.origin);
  const op::If::Attrs attrs;
  const std::vector<ValueId> results = b.add_node(op_def<op::If>, n.inputs, &attrs, wrt.size(), std::move(blocks)).outputs;
  for (size_t k = 0; k < wrt.size(); ++k) add(wrt[k], results[k], b);
}

void Backward::differentiate(Node& n, std::vector<Node*>& rest) {
  if (n.is<op::If>()) return differentiate_branches(n);
  if (n.is<op::Loop>()) return unroll(n, rest);
  const auto row = std::find_if(options_.gradients.begin(), options_.gradients.end(),
                                [&](const OpGradient* g) { return g->op == n.def; });
  const bool known = row != options_.gradients.end() && std::string_view(n.def->gradient) == "rule";
  const OpRules* formula = known && (*row)->formula.expand != nullptr ? &(*row)->formula : find_rules(options_.rules, *n.def);
  if (!known || ((*row)->grad == nullptr && (formula == nullptr || formula->expand == nullptr)))
    throw Exception(Error::Unsupported, n.origin + ": op " + n.def->info.name + " has no gradient rule");
  if ((*row)->grad == nullptr) return expand(n, formula, rest);
  const ir::DecodedAttrs attrs(n);
  GraphDifferentiator d(*this, n);
  Error code = (*row)->grad(d, attrs.get());
  if (code == Error::Ok) code = d.error();
  if (code != Error::Ok) throw Exception(code, n.origin + ": no gradient: " + d.reason());
  if (d.by_expansion()) expand(n, formula, rest);
}

std::vector<ValueId> Backward::run(std::span<const ValueId> of, std::span<const ValueId> seeds, std::span<const ValueId> wrt,
                                   bool must_reach) {
  for (const ValueId v : of) expect_float(v, "a result");
  for (const ValueId v : wrt) {
    expect_float(v, "a value to differentiate by");
    put(leads_, v);
  }
  for (const auto& n : block_.nodes) lead_through(*n);
  if (must_reach) expect_reached(of);
  const std::vector<bool> reaches = reaching(of);
  std::vector<Node*> rest;
  for (const auto& n : block_.nodes) rest.push_back(n.get());
  ir::Builder builder(entry_, block_);
  builder.set_origin({}, "seed of a gradient");
  for (size_t k = 0; k < of.size(); ++k)
    add(of[k], k < seeds.size() && seeds[k] != kNoValue ? seeds[k] : filled(entry_, block_, 1, of[k]), builder);
  while (!rest.empty()) {
    Node& n = *rest.back();
    rest.pop_back();
    detours_of(n, [&](const AutodiffOptions::Detour& d) {
      if (gradient(d.from) != kNoValue && leads(d.to)) add(d.to, gradient(d.from), builder);
    });
    if (cuts(*n.def) || !is_led_to(n)) continue;
    const bool given = std::any_of(n.outputs.begin(), n.outputs.end(),
                                   [&](ValueId v) { return passing(v) != kNoValue; });
    if (given) differentiate(n, rest);
  }
  std::vector<ValueId> results;
  for (const ValueId v : wrt) {
    ValueId g = gradient(v);
    if (g == kNoValue && at(reaches, v)) g = filled(entry_, block_, 0, v);
    results.push_back(g);
  }
  return results;
}

}  // namespace

std::vector<ValueId> gradients(ir::Entry& entry, std::span<const ValueId> of, std::span<const ValueId> seeds,
                               std::span<const ValueId> wrt, const AutodiffOptions& options) {
  return Backward(entry, entry.body, options).run(of, seeds, wrt, true);
}

std::vector<ValueId> gradients_or_zeros(ir::Entry& entry, std::span<const ValueId> of, std::span<const ValueId> seeds,
                                        std::span<const ValueId> wrt, const AutodiffOptions& options) {
  std::vector<ValueId> results = Backward(entry, entry.body, options).run(of, seeds, wrt, false);
  for (size_t k = 0; k < wrt.size(); ++k)
    if (results[k] == kNoValue) results[k] = filled(entry, entry.body, 0, wrt[k]);
  return results;
}

std::vector<ValueId> backward(ir::Entry& entry, ValueId loss, std::span<const ValueId> wrt, const AutodiffOptions& options) {
  if (loss != kNoValue) {
    const DimShape& s = entry.value(loss).shape;
    bool one = entry.value(loss).shape_known;
    std::string text;
    for (int d = 0; d < s.rank; ++d) {
      one = one && s[d].is_const() && s[d].lo == 1;
      text += (d > 0 ? ", " : "") + entry.symbols.to_text(s[d]);
    }
    if (!one)
      throw Exception(Error::ShapeMismatch, "the loss " + name_of(entry, loss) + " has shape [" + text +
                                                "]; gradients need one number: sum it or take its mean");
  }
  const ValueId seed = kNoValue;
  return gradients(entry, {&loss, 1}, {&seed, 1}, wrt, options);
}

std::vector<ValueId> jvp(ir::Entry& entry, std::span<const ValueId> of, std::span<const ValueId> wrt,
                         std::span<const ValueId> tangents, const AutodiffOptions& options) {
  std::vector<ValueId> seeds, parts, part_tangents;
  for (const ValueId v : of) seeds.push_back(filled(entry, entry.body, 0, v));
  const std::vector<ValueId> pulled = gradients(entry, of, seeds, wrt, options);
  for (size_t k = 0; k < wrt.size(); ++k) {
    if (pulled[k] == kNoValue) continue;
    parts.push_back(pulled[k]);
    part_tangents.push_back(tangents[k]);
  }
  return Backward(entry, entry.body, options).run(parts, part_tangents, seeds, false);  // a gradient of zero depends on no seed
}

}  // namespace gf
