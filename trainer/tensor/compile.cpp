// From a plan to a program: an entry for what is looked at, one more for each step that is foreseen.
#include <algorithm>
#include <map>

#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "graph/passes/pipeline.h"
#include "schema/ops/global_norm.h"
#include "schema/ops/identity.h"
#include "trainer/autodiff/recorded.h"
#include "trainer/optim/graph_update.h"
#include "trainer/tensor/append.h"
#include "trainer/tensor/compiled.h"
#include "trainer/tensor/custom.h"
#include "trainer/tensor/structure.h"
#include "trainer/tensor/trainable.h"

namespace gf::lazy {
namespace {

int64_t compiled_count = 0;

// One entry.
class Part {
 public:
  Part(const Plan& plan, const Structure& structure, ir::Model& model, size_t part)
      : plan_(plan), structure_(structure), part_(part), model_(model), entry_(*model.entries.emplace_back(std::make_unique<ir::Entry>())) {
    entry_.name = part == 0 ? kMainEntry : "update" + std::to_string(part - 1);
  }

  void run() {
    if (part_ == 0)
      for (const Structure::Leaf& leaf : structure_.leaves())
        if (leaf.part == 0 && leaf.role != Structure::Role::State) value_of(leaf.content);
    for (size_t i = plan_.part_begin(part_); i < plan_.part_end(part_); ++i) {
      const Node& n = *plan_.nodes[i];
      switch (n.kind) {
        case Node::Kind::Op: add_op(n); break;
        case Node::Kind::Gradient: add_gradient(n); break;
        case Node::Kind::Function: add_function(n); break;
        case Node::Kind::Update: add_update(n); break;
      }
    }
    if (part_ == 0) add_results();
    entry_.body.outputs.insert(entry_.body.outputs.end(), checks_.begin(), checks_.end());
    ir::Builder b(entry_, entry_.body);
    for (const auto& [state, value] : writes_) b.node<op::Identity>({value}).writes_state = state;
    attach_detached(entry_);
  }

 private:
  void add_results() {
    ir::Builder b(entry_, entry_.body);
    for (const Structure::Result& r : structure_.results()) {
      if (plan_.nodes[r.node]->kind == Node::Kind::Update) continue;
      const ir::ValueId v = results_.at({r.node, r.output});
      if (r.place < structure_.states()) {
        writes_.emplace_back(static_cast<int32_t>(r.place), v);
        continue;
      }
      const ir::ValueId out = b.add<op::Identity>({v});
      entry_.value(out).name = "o" + std::to_string(entry_.body.outputs.size());
      entry_.body.outputs.push_back(out);
    }
  }

  ir::ValueId state(size_t place, const Content& c) {
    const auto [it, is_new] = states_.try_emplace(place, ir::kNoValue);
    if (!is_new) return it->second;
    ir::Value v;
    v.name = model_.states[place].name;
    v.dtype = c.dtype;
    for (const int64_t d : c.shape) v.shape.push(d);
    v.shape_known = true;
    v.state = static_cast<int32_t>(place);
    return it->second = entry_.add_value(std::move(v));
  }

  ir::ValueId value_of(const ContentPtr& c) {
    if (c == nullptr) return ir::kNoValue;
    const ContentNotes& notes = notes_of(*c);
    if (notes.leaf < 0) {
      const size_t place = notes_of(*c->node).place;
      const bool here = place >= plan_.part_begin(part_) && place < plan_.part_end(part_);
      return here ? results_.at({place, c->output}) : state(structure_.state_place(*c), *c);
    }
    const Structure::Leaf& leaf = structure_.leaves()[static_cast<size_t>(notes.leaf)];
    if (leaf.role == Structure::Role::State) return state(leaf.index, *c);
    const auto [it, is_new] = leaves_.try_emplace(c.get(), ir::kNoValue);
    if (is_new) it->second = add_leaf(entry_, *c, "i" + std::to_string(leaf.index));
    return it->second;
  }
  std::vector<ir::ValueId> values_of(const std::vector<ContentPtr>& contents) {
    std::vector<ir::ValueId> ids;
    for (const ContentPtr& c : contents) ids.push_back(value_of(c));
    return ids;
  }
  void set_results(const Node& n, const std::vector<ir::ValueId>& values) {
    for (size_t k = 0; k < values.size(); ++k) results_[{notes_of(const_cast<Node&>(n)).place, k}] = values[k];
  }

  void add_op(const Node& n) {
    std::vector<ir::ValueId> out = append_op(entry_, n, values_of(n.inputs));
    if (n.cut)
      for (ir::ValueId& v : out) v = append_detached(entry_, v);
    set_results(n, out);
  }
  void add_gradient(const Node& n) {
    const std::vector<ir::ValueId> ids = values_of(n.inputs);
    if (checks() && n.inputs[1] == nullptr) check(ids[0], "the loss");
    set_results(n, append_gradients(entry_, n, ids));
  }
  void add_function(const Node& n) {
    std::vector<ir::ValueId> out;
    for (size_t k = 0; k < n.call->outputs; ++k) out.push_back(ir::Builder(entry_, entry_.body).add<op::Identity>({value_of(n.inputs[k])}));
    set_results(n, out);
  }

  bool checks() const {
    const auto begin = plan_.nodes.begin();
    return std::any_of(begin + static_cast<ptrdiff_t>(plan_.part_begin(part_)), begin + static_cast<ptrdiff_t>(plan_.part_end(part_)),
                       [](const auto& n) { return n->check != NotFinite::Update; });
  }
  // Ends the run where v is not finite; an output, so that nobody leaves it out.
  void check(ir::ValueId v, const std::string& what) {
    ir::Builder b(entry_, entry_.body);
    b.set_origin("", what);
    checks_.push_back(b.add<op::GlobalNorm>({v}, {.finite = true}));
    entry_.value(checks_.back()).name = "check" + std::to_string(checks_.size());
  }

  void add_update(const Node& n) {
    const std::vector<ir::ValueId> ids = values_of(n.inputs);
    if (n.check != NotFinite::Update) check(ids[1], "gradient of " + entry_.value(ids[0]).name);
    optim::UpdateValues values{ids[0], ids[1], {ids.begin() + kFirstSlot, ids.end()}, ids[2], ids[3]};
    optim::GraphUpdate u(entry_, entry_.body, custom_autodiff().ops, entry_.value(ids[0]).name, values);
    u.apply(*n.rule);
    std::vector<ir::ValueId> out = {u.new_parameter()};
    for (size_t k = kFirstSlot; k < ids.size(); ++k) out.push_back(u.new_slot(k - kFirstSlot));
    for (size_t k = 0; k < out.size(); ++k) {
      const ir::ValueId old = ids[k == 0 ? 0 : kFirstSlot + k - 1];
      if (out[k] != old) writes_.emplace_back(entry_.value(old).state, out[k]);
    }
    set_results(n, out);
  }

  const Plan& plan_;
  const Structure& structure_;
  size_t part_;
  const ir::Model& model_;
  ir::Entry& entry_;
  std::map<size_t, ir::ValueId> states_;                               // by place
  std::map<const Content*, ir::ValueId> leaves_;                       // inputs and constants
  std::map<std::pair<size_t, size_t>, ir::ValueId> results_;           // by node and output
  std::vector<std::pair<int32_t, ir::ValueId>> writes_;
  std::vector<ir::ValueId> checks_;
};

void add_states(ir::Model& model, const Structure& s, bool named) {
  const auto add = [&](const Content& c) {
    const VariablePtr leaf = named ? c.leaf.lock() : nullptr;
    const bool known = leaf != nullptr && leaf->name[0] != '\0';
    std::string name = known ? leaf->name : "s" + std::to_string(model.states.size());
    for (const ir::StateVar& other : model.states)
      if (known && other.name == name) name = name + " (" + std::to_string(model.states.size()) + ")";
    model.states.push_back({std::move(name), c.dtype, c.shape, nullptr});
  };
  for (const Structure::Leaf& leaf : s.leaves())
    if (leaf.role == Structure::Role::State) add(*leaf.content);
  for (size_t k = 0; k < s.kept(); ++k) add(*s.results()[k].content);
}

std::vector<Compiled::Step> foreseen_steps(const Plan& plan, const Structure& s) {
  const auto input = [&](Content& c) { return s.leaves()[static_cast<size_t>(notes_of(c).leaf)].index; };
  std::vector<Compiled::Step> steps;
  for (size_t part = 1; part < plan.part_count(); ++part) {
    Compiled::Step step{"update" + std::to_string(part - 1), {}};
    for (size_t i = plan.part_begin(part); i < plan.part_end(part); ++i) {
      const Node& n = *plan.nodes[i];
      Compiled::Update u{n.rule, s.state_place(*n.inputs[1]), input(*n.inputs[2]), input(*n.inputs[3]), n.check != NotFinite::Update, {s.state_place(*n.inputs[0])}};
      for (size_t k = kFirstSlot; k < n.inputs.size(); ++k) u.states.push_back(s.state_place(*n.inputs[k]));
      step.updates.push_back(std::move(u));
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace

int64_t compiled_programs() { return compiled_count; }

ir::ValueId add_leaf(ir::Entry& entry, const Content& c, const std::string& name) {
  if (c.fixed) return entry.add_constant(ir::make_constant(c.dtype, c.shape, c.data->data));
  DimShape shape;
  for (const int64_t d : c.shape) shape.push(d);
  return entry.add_input(name, c.dtype, shape);
}

ir::Model graph_of(const Plan& plan, const Structure& structure, bool named) {
  ir::Model model;
  add_states(model, structure, named);
  for (size_t part = 0; part < plan.part_count(); ++part) Part(plan, structure, model, part).run();
  ir::check(model);
  return model;
}

std::shared_ptr<Compiled> compile(const Plan& plan, const Structure& structure) {
  ir::Model model = graph_of(plan, structure, false);
  PassOptions options;
  options.exact = true;
  options.kept = kept_type();
  options.products = products_type();
  run_passes(model, options);
  ModelOptions how;
  how.xnnpack = false;  // it hides NaN and denormals
  how.custom_ops = custom_ops().ops;
  how.custom_kernels = custom_ops().kernels;
  std::vector<std::shared_ptr<const optim::Optimizer>> rules;
  for (const auto& n : plan.nodes)
    if (n->rule != nullptr) rules.push_back(n->rule);
  std::vector<std::string> input_entries(structure.inputs());
  for (const Structure::Leaf& leaf : structure.leaves())
    if (leaf.role == Structure::Role::Input) input_entries[leaf.index] = model.entries[leaf.part]->name;
  ++compiled_count;
  auto program = std::make_shared<Compiled>(Model::from_bytes(emit(model), how), input_entries, structure.states(), structure.outputs(),
                                            foreseen_steps(plan, structure), std::move(rules));
  const bool stops = std::any_of(plan.nodes.begin() + static_cast<ptrdiff_t>(plan.main_count()), plan.nodes.end(), [](const auto& n) { return n->check == NotFinite::Stop; });
  if (stops) program->graph = std::make_unique<const ir::Model>(graph_of(plan, structure, true));
  return program;
}

}  // namespace gf::lazy
