#include "trainer/tensor/compiled.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "graph/passes/pipeline.h"
#include "schema/ops/identity.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/optim/graph_update.h"

namespace gf::lazy {
namespace {

// A copy that gradients do not pass; an identity once they have been derived.
const OpDef kDetach = [] {
  OpDef d = op_def<op::Identity>;
  d.gradient = "it was recorded under no_grad";
  return d;
}();

int64_t compiled_count = 0;

// Programs by the structure of what they were compiled from.
std::unordered_map<std::string, std::shared_ptr<Compiled>>& programs() {
  static std::unordered_map<std::string, std::shared_ptr<Compiled>> all;
  return all;
}

// What a plan is made of, numbered in the order of the nodes: equal plans have equal keys.
class Structure {
 public:
  enum class Role : uint8_t { Fixed, Input, State };
  struct Leaf {
    ContentPtr content;
    Role role = Role::Input;
    size_t index = 0;  // among its kind
  };
  struct Result {
    size_t node = 0, output = 0;
    ContentPtr content;  // null: nobody waits for it
  };

  Structure(const Plan& plan, const std::vector<ContentPtr>& wanted) : plan_(plan) {
    for (size_t i = 0; i < plan.nodes.size(); ++i) place_[plan.nodes[i].get()] = i;
    for (const auto& n : plan.nodes)
      if (n->kind == Node::Kind::Update)
        for (size_t k = 0; k < n->inputs.size(); ++k)
          if (k == 0 || k >= kFirstSlot) leaf(n->inputs[k], Role::State);
    for (const auto& n : plan.nodes) add(*n);
    find_results(wanted);
  }

  const std::string& key() const { return key_; }
  const std::vector<Leaf>& leaves() const { return leaves_; }
  const std::vector<Result>& results() const { return results_; }
  size_t count(Role role) const { return counts_[static_cast<size_t>(role)]; }
  /// Leaf number of a content, or -1 when a node of the plan computes it.
  int64_t leaf_of(const Content* c) const {
    const auto it = leaf_index_.find(c);
    return it == leaf_index_.end() ? -1 : static_cast<int64_t>(it->second);
  }
  /// Position in the plan of a node that is in it.
  size_t place_of(const Node& n) const { return place_.at(&n); }
  /// Whether a leaf is held by others than the plan. One reference is the leaf's own, one the caller's.
  bool held_outside(const Leaf& leaf) const {
    const auto uses = uses_.find(leaf.content.get());
    return leaf.content.use_count() > 2 + (uses == uses_.end() ? 0 : uses->second);
  }

 private:
  template <class T>
  void put(const T& v) {
    key_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void put(const std::string& text) {
    put(text.size());
    key_ += text;
  }

  size_t leaf(const ContentPtr& c, Role role) {
    const auto [it, is_new] = leaf_index_.try_emplace(c.get(), leaves_.size());
    if (!is_new) return it->second;
    leaves_.push_back({c, role, counts_[static_cast<size_t>(role)]++});
    key_ += 'L';
    put(role);
    put(c->dtype);
    put(c->shape.size());
    for (const int64_t d : c->shape) put(d);
    if (role == Role::Fixed) key_.append(reinterpret_cast<const char*>(c->data->data.data()), c->data->data.size());
    return it->second;
  }

  void refer(const ContentPtr& c) {
    if (c == nullptr) {
      key_ += '-';
      return;
    }
    ++uses_[c.get()];
    const auto node = c->node == nullptr ? place_.end() : place_.find(c->node.get());
    if (node != place_.end()) {
      key_ += 'N';
      put(node->second);
      put(c->output);
      return;
    }
    const size_t k = leaf(c, c->fixed ? Role::Fixed : Role::Input);
    key_ += 'l';
    put(k);
  }

  void add(const Node& n) {
    key_ += 'n';
    put(n.kind);
    put(n.def);
    put(n.cut);
    put(n.rule.get());
    put(n.outputs.size());
    put(n.attrs.size());
    for (const ir::Attr& a : n.attrs) {
      put(a.number);
      put(a.i);
      put(a.f);
      put(a.s);
      put(a.ints.size());
      for (const int64_t v : a.ints) put(v);
      put(a.floats.size());
      for (const float v : a.floats) put(v);
    }
    put(n.inputs.size());
    for (const ContentPtr& c : n.inputs) refer(c);
  }

  // Contents that somebody outside the plan holds, or that are asked for.
  void find_results(const std::vector<ContentPtr>& wanted) {
    for (size_t i = 0; i < plan_.nodes.size(); ++i)
      for (size_t k = 0; k < plan_.nodes[i]->outputs.size(); ++k) {
        const ContentPtr c = plan_.nodes[i]->outputs[k].lock();
        const bool update = plan_.nodes[i]->kind == Node::Kind::Update;
        if (c == nullptr || c->known()) {
          if (update) results_.push_back({i, k, nullptr});
          continue;
        }
        const auto asked = std::count(wanted.begin(), wanted.end(), c);
        if (!update && asked == 0 && c.use_count() == 1 + uses_[c.get()]) continue;
        results_.push_back({i, k, c});
      }
    for (const Result& r : results_) {
      key_ += 'r';
      put(r.node);
      put(r.output);
    }
  }

  const Plan& plan_;
  std::map<const Node*, size_t> place_;
  std::vector<Leaf> leaves_;
  std::map<const Content*, size_t> leaf_index_;
  std::map<const Content*, long> uses_;
  size_t counts_[3] = {};
  std::vector<Result> results_;
  std::string key_;
};

// --- the graph of a plan

class Compiler {
 public:
  Compiler(const Plan& plan, const Structure& structure)
      : plan_(plan), structure_(structure), entry_(*model_.entries.emplace_back(std::make_unique<ir::Entry>())) {}

  std::shared_ptr<Compiled> run() {
    for (const Structure::Leaf& leaf : structure_.leaves()) add(leaf);
    for (const auto& n : plan_.nodes) {
      switch (n->kind) {
        case Node::Kind::Op: add_op(*n); break;
        case Node::Kind::Gradient: add_gradient(*n); break;
        case Node::Kind::Update: add_update(*n); break;
      }
    }
    ir::Builder b(entry_, entry_.body);
    for (const Structure::Result& r : structure_.results()) {
      if (plan_.nodes[r.node]->kind == Node::Kind::Update) continue;
      const ir::ValueId out = b.add<op::Identity>({results_[r.node][r.output]});
      entry_.value(out).name = "o" + std::to_string(entry_.body.outputs.size());
      entry_.body.outputs.push_back(out);
    }
    for (const auto& [state, value] : writes_) b.node<op::Identity>({value}).writes_state = state;
    for (const auto& n : entry_.body.nodes)
      if (n->def == &kDetach) n->def = &op_def<op::Identity>;
    ir::check(model_);
    PassOptions options;
    options.exact = true;
    run_passes(model_, options);
    ModelOptions how;
    how.xnnpack = false;  // it hides NaN and denormals
    std::vector<std::shared_ptr<const optim::Optimizer>> rules;
    for (const auto& n : plan_.nodes)
      if (n->rule != nullptr) rules.push_back(n->rule);
    ++compiled_count;
    return std::make_shared<Compiled>(Model::from_bytes(emit(model_), how), structure_.count(Structure::Role::Input),
                                      structure_.count(Structure::Role::State), std::move(rules));
  }

 private:
  void add(const Structure::Leaf& leaf) {
    const Content& c = *leaf.content;
    if (leaf.role != Structure::Role::State) {
      leaf_values_.push_back(add_leaf(entry_, c, "i" + std::to_string(leaf.index)));
      return;
    }
    ir::Value v;
    v.name = "s" + std::to_string(leaf.index);
    v.dtype = c.dtype;
    for (const int64_t d : c.shape) v.shape.push(d);
    v.shape_known = true;
    v.state = static_cast<int32_t>(leaf.index);
    model_.states.push_back({v.name, c.dtype, c.shape, nullptr});
    leaf_values_.push_back(entry_.add_value(std::move(v)));
  }

  ir::ValueId value_of(const ContentPtr& c) const {
    if (c == nullptr) return ir::kNoValue;
    if (const int64_t k = structure_.leaf_of(c.get()); k >= 0) return leaf_values_[static_cast<size_t>(k)];
    return results_.at(structure_.place_of(*c->node))[c->output];
  }
  std::vector<ir::ValueId> values_of(const std::vector<ContentPtr>& contents) const {
    std::vector<ir::ValueId> ids;
    for (const ContentPtr& c : contents) ids.push_back(value_of(c));
    return ids;
  }

  void add_op(const Node& n) {
    auto node = std::make_unique<ir::Node>();
    node->def = n.def;
    node->attrs = n.attrs;
    node->inputs = values_of(n.inputs);
    node->origin = node->name = n.def->info.name;
    for (size_t k = 0; k < n.outputs.size(); ++k) node->outputs.push_back(entry_.add_value({}));
    ir::infer_node(entry_, *node);
    results_.push_back(node->outputs);
    entry_.body.nodes.push_back(std::move(node));
    if (!n.cut) return;
    const int none = 0;
    for (ir::ValueId& v : results_.back()) v = ir::Builder(entry_, entry_.body).add_node(kDetach, {v}, &none).outputs[0];
  }

  void add_gradient(const Node& n) {
    const std::vector<ir::ValueId> ids = values_of(n.inputs);
    results_.push_back(gradients(entry_, {{ids[0]}}, {}, std::span(ids).subspan(1)));
    for (const ir::ValueId g : results_.back())
      if (g == ir::kNoValue) throw Exception(Error::Internal, "a recorded gradient does not exist");
  }

  void add_update(const Node& n) {
    const std::vector<ir::ValueId> ids = values_of(n.inputs);
    optim::UpdateValues values{ids[0], ids[1], {ids.begin() + kFirstSlot, ids.end()}, ids[2], ids[3]};
    optim::GraphUpdate u(entry_, entry_.body, AutodiffOptions().ops, entry_.value(ids[0]).name, values);
    u.apply(*n.rule);
    std::vector<ir::ValueId> out = {u.new_parameter()};
    for (size_t k = kFirstSlot; k < ids.size(); ++k) out.push_back(u.new_slot(k - kFirstSlot));
    for (size_t k = 0; k < out.size(); ++k) {
      const ir::ValueId old = ids[k == 0 ? 0 : kFirstSlot + k - 1];
      if (out[k] != old) writes_.emplace_back(entry_.value(old).state, out[k]);
    }
    results_.push_back(std::move(out));
  }

  const Plan& plan_;
  const Structure& structure_;
  ir::Model model_;
  ir::Entry& entry_;
  std::vector<ir::ValueId> leaf_values_;
  std::vector<std::vector<ir::ValueId>> results_;  // by node
  std::vector<std::pair<int32_t, ir::ValueId>> writes_;
};

// --- running

void copy_to(std::span<std::byte> to, const ContentPtr& from) {
  const io::Array& a = host(from);
  if (!to.empty()) std::memcpy(to.data(), a.data.data(), to.size());
}

}  // namespace

Compiled::Compiled(Model model, size_t inputs, size_t states, std::vector<std::shared_ptr<const optim::Optimizer>> rules)
    : model_(std::move(model)), rules_(std::move(rules)), residents_(states) {
  for (size_t i = 0; i < inputs; ++i) inputs_.push_back(model_.input<std::byte>("i" + std::to_string(i)));
  for (size_t k = 0; k < states; ++k) states_.push_back(model_.state()->bytes(static_cast<int>(k)));
}

int64_t compiled_programs() { return compiled_count; }

ir::ValueId add_leaf(ir::Entry& entry, const Content& c, const std::string& name) {
  if (c.fixed) return entry.add_constant(ir::make_constant(c.dtype, c.shape, c.data->data));
  DimShape shape;
  for (const int64_t d : c.shape) shape.push(d);
  return entry.add_input(name, c.dtype, shape);
}

void fetch_from_home(Content& c) {
  const auto bytes = c.home->state(c.slot);
  c.data = std::make_shared<const io::Array>(io::Array::from_bytes(c.dtype, c.shape, bytes));
}

void run_plan(Plan& plan, const std::vector<ContentPtr>& wanted) {
  const Structure s(plan, wanted);
  std::shared_ptr<Compiled>& program = programs()[s.key()];
  if (program == nullptr) program = Compiler(plan, s).run();
  for (const Structure::Leaf& leaf : s.leaves()) {
    if (leaf.role == Structure::Role::Input) copy_to(program->input(leaf.index), leaf.content);
    if (leaf.role != Structure::Role::State) continue;
    const ContentPtr old = program->resident(leaf.index);
    // what somebody else still holds moves to the host before the run replaces it
    if (old != nullptr && old->data == nullptr && (old != leaf.content || s.held_outside(leaf))) fetch_from_home(*old);
    if (old != leaf.content) copy_to(program->state(leaf.index), leaf.content);
  }
  program->run();
  size_t output = 0;
  for (const Structure::Result& r : s.results()) {
    Node& n = *plan.nodes[r.node];
    if (n.kind == Node::Kind::Update) {
      const ContentPtr& old = n.inputs[r.output == 0 ? 0 : kFirstSlot + r.output - 1];
      const size_t slot = s.leaves()[static_cast<size_t>(s.leaf_of(old.get()))].index;
      old->home = nullptr;  // replaced; known on the host if anybody else wanted it
      program->set_resident(slot, r.content);
      if (r.content == nullptr) continue;
      r.content->home = program;
      r.content->slot = slot;
      r.content->node = nullptr;
      continue;
    }
    const TensorView v = program->output(output++);
    const auto* bytes = static_cast<const std::byte*>(v.data);
    r.content->data = std::make_shared<const io::Array>(io::Array::from_bytes(r.content->dtype, r.content->shape, {bytes, static_cast<size_t>(io::byte_size(r.content->dtype, r.content->shape, "an output"))}));
    if (!r.content->history) r.content->node = nullptr;
  }
}

}  // namespace gf::lazy
