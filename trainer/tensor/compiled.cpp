// Running: what is needed moves into the program, what somebody else still holds moves out of it before a run replaces it.
#include "trainer/tensor/compiled.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "runtime/core/checked.h"
#include "trainer/step/non_finite.h"
#include "trainer/tensor/structure.h"
#include "trainer/tensor/trainable.h"

namespace gf::lazy {
namespace {

// Programs by the structure of what they were compiled from.
std::unordered_map<std::string, std::shared_ptr<Compiled>>& programs() {
  static std::unordered_map<std::string, std::shared_ptr<Compiled>> all;
  return all;
}

bool overlap(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.data() < b.data() + b.size() && b.data() < a.data() + a.size();
}

void copy_to(std::span<std::byte> to, const ContentPtr& from) {
  const std::span<const std::byte> bytes = from->data != nullptr ? std::span<const std::byte>(from->data->data) : from->home->place(from->slot);
  if (!to.empty()) std::memmove(to.data(), bytes.data(), to.size());
}

// Whether a content is held by others than nodes of the plan and `own` references here.
bool held_outside(const ContentPtr& c, long own) { return c.use_count() > own + notes_of(*c).uses; }

bool lives_in(const Content& c, const std::shared_ptr<Compiled>& p, size_t place) { return c.home == p && c.slot == place; }

// One run of an entry.
class Run {
 public:
  explicit Run(const std::shared_ptr<Compiled>& program) : p_(program) { lent_.reserve(program->input_count()); }

  void set_input(size_t i, const ContentPtr& c) {
    copy_to(p_->input(i), c);
    if (c->data == nullptr && c->home == p_ && p_->is_output(c->slot)) lent_.emplace_back(i, c);
  }
  void set_state(size_t place, const ContentPtr& c) {
    const ContentPtr old = p_->resident(place);
    if (old == c) return;
    if (old != nullptr && lives_in(*old, p_, place)) {
      if (old->data == nullptr) fetch_from_home(*old);
      old->home = nullptr;
    }
    copy_to(p_->place(place), c);
    p_->set_resident(place, c);
    c->home = p_;
    c->slot = place;
  }
  // Before the run: what lies where it writes, if anybody else wants it.
  void save(size_t place, long own) const {
    const ContentPtr old = p_->resident(place);
    if (old != nullptr && old->data == nullptr && lives_in(*old, p_, place) && held_outside(old, own + 1)) fetch_from_home(*old);
  }
  // Outputs are lost as soon as it runs, State only when it succeeds.
  void run(const std::string& entry) {
    try {
      p_->run(entry);
    } catch (...) {
      for (const auto& [i, c] : lent_) c->data = std::make_shared<const io::Array>(io::Array::from_bytes(c->dtype, c->shape, p_->input(i)));
      lent_.clear();
      throw;
    }
    lent_.clear();
  }
  void release(size_t place) const {
    if (const ContentPtr old = p_->resident(place); old != nullptr && lives_in(*old, p_, place)) old->home = nullptr;
    p_->set_resident(place, nullptr);
  }
  // After the run: a place holds the value of `next`, or of nobody.
  void replace(size_t place, const ContentPtr& next) const {
    const ContentPtr old = p_->resident(place);
    if (old != nullptr && old != next && lives_in(*old, p_, place)) old->home = nullptr;
    p_->set_resident(place, next);
    if (next == nullptr) return;
    next->home = p_;
    next->slot = place;
    if (p_->keeps(place)) return;
    fetch_from_home(*next);
    next->home = nullptr;
  }

 private:
  const std::shared_ptr<Compiled>& p_;
  static inline std::vector<std::pair<size_t, ContentPtr>> lent_;  // inputs whose values only an output of the last run held; runs keep inputs
};

void run_main(const std::shared_ptr<Compiled>& program, const Plan& plan, const Structure& s) {
  Run run(program);
  for (const Structure::Result& r : s.results()) {
    const ContentPtr old = program->resident(r.place);
    if (old != nullptr) run.save(r.place, notes_of(*old).leaf >= 0 ? 2 : 1);
  }
  for (const Structure::Leaf& leaf : s.leaves())
    if (leaf.role == Structure::Role::Input && leaf.part == 0) run.set_input(leaf.index, leaf.content);
  for (const Structure::Leaf& leaf : s.leaves())
    if (leaf.role == Structure::Role::State) run.set_state(leaf.index, leaf.content);
  for (const Structure::Result& r : s.results())
    if (program->is_output(r.place)) run.release(r.place);
  program->looked_at.clear();
  run.run(program->main_entry());
  program->find_outputs();
  for (const Structure::Result& r : s.results()) {
    run.replace(r.place, r.content);
    if (r.content != nullptr && !r.content->history) r.content->node = nullptr;
  }
  if (plan.part_count() == 1) return;
  for (size_t i = 0; i < plan.main_count(); ++i) program->looked_at.push_back(plan.nodes[i]);
}

// The step that a program foresaw, or null: the same updates by the gradients that wait there.
const Compiled::Step* foreseen_step(const std::shared_ptr<Compiled>& program, const Plan& plan) {
  const auto same = [&](const Compiled::Step& step) {
    if (step.updates.size() != plan.nodes.size()) return false;
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const Node& n = *plan.nodes[i];
      const Compiled::Update& u = step.updates[i];
      if (n.kind != Node::Kind::Update || n.rule != u.rule || (n.check != NotFinite::Update) != u.checked || n.inputs.size() != kFirstSlot + u.states.size() - 1) return false;
      if (program->resident(u.gradient) != n.inputs[1]) return false;
      if (i == 0) continue;
      const Node& before = *plan.nodes[i - 1];
      const Compiled::Update& v = step.updates[i - 1];
      if (n.inputs[3] != before.inputs[3] || (u.rate == v.rate && n.inputs[2] != before.inputs[2])) return false;
    }
    return true;
  };
  const auto at = std::find_if(program->steps().begin(), program->steps().end(), same);
  return at == program->steps().end() ? nullptr : &*at;
}

void run_foreseen(const std::shared_ptr<Compiled>& program, const Compiled::Step& step, const Plan& plan) {
  const auto input_of = [](size_t k) { return k == 0 ? 0 : kFirstSlot + k - 1; };
  // what was recorded before the look is no reason to keep old values, as in a step without one
  const auto count = [](const Node& n) {
    for (const ContentPtr& c : n.inputs)
      if (c != nullptr) ++notes_of(*c).uses;
  };
  for (const auto& n : plan.nodes) count(*n);
  for (const auto& w : program->looked_at)
    if (const auto n = w.lock(); n != nullptr) count(*n);
  program->looked_at.clear();
  Run run(program);
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const Compiled::Update& u = step.updates[i];
    const Node& n = *plan.nodes[i];
    for (size_t k = 0; k < u.states.size(); ++k) {
      run.set_state(u.states[k], n.inputs[input_of(k)]);
      run.save(u.states[k], 0);
    }
    run.set_input(u.rate, n.inputs[2]);
    run.set_input(u.number, n.inputs[3]);
  }
  run.run(step.entry);
  for (size_t i = 0; i < plan.nodes.size(); ++i)
    for (size_t k = 0; k < step.updates[i].states.size(); ++k) {
      const ContentPtr next = plan.nodes[i]->outputs[k].lock();
      run.replace(step.updates[i].states[k], next);
      if (next != nullptr) next->node = nullptr;
    }
}

bool wants_report(const ModelError& e, const Plan& plan) {
  return e.code() == Error::NonFinite && std::any_of(plan.nodes.begin(), plan.nodes.end(), [](const auto& n) { return n->check == NotFinite::Stop; });
}

// Inputs and State still lie in the program: what stopped a step is found by running its graph on them.
[[noreturn]] void throw_report(const ir::Model& graph, Model& model) {
  NonFiniteReport report = find_non_finite(graph, kMainEntry, model);
  const std::string text = "step(): the loss or a gradient is not finite; nothing was updated. " + report.text();
  throw NonFiniteError(text, std::move(report));
}

// Clears what a plan was read into, however its run ends.
struct Reading {
  Structure& s;
  ~Reading() { s.clear(); }
};

}  // namespace

Compiled::Compiled(Model model, const std::vector<std::string>& input_entries, size_t states, size_t outputs, std::vector<Step> steps,
                   std::vector<std::shared_ptr<const optim::Optimizer>> rules)
    : model_(std::move(model)), states_(states), steps_(std::move(steps)), rules_(std::move(rules)) {
  for (size_t i = 0; i < input_entries.size(); ++i) inputs_.push_back(model_.input<std::byte>("i" + std::to_string(i), input_entries[i]));
  for (size_t k = 0; k < states; ++k) places_.push_back({model_.state()->bytes(static_cast<int>(k)), {}, true});
  places_.resize(states + outputs);
}

void Compiled::find_outputs() {
  Session& session = model_.session(main_entry_);
  for (size_t k = states_; k < places_.size(); ++k) {
    const TensorView v = session.output(static_cast<int>(k - states_));
    Place& place = places_[k];
    if (place.bytes.data() == v.data && v.data != nullptr) continue;
    uint64_t bytes = 0;
    if (!bytes_checked(v.count(), v.dtype, bytes)) throw Exception(Error::Internal, "an output has no size");
    place.bytes = {static_cast<std::byte*>(v.data), static_cast<size_t>(bytes)};
    place.keeps = true;
    for (const auto& in : inputs_) place.keeps = place.keeps && !overlap(in, place.bytes);
    for (size_t s = 0; s < states_; ++s) place.keeps = place.keeps && !overlap(places_[s].bytes, place.bytes);
  }
}

void fetch_from_home(Content& c) {
  c.data = std::make_shared<const io::Array>(io::Array::from_bytes(c.dtype, c.shape, c.home->place(c.slot)));
}

void run_plan(const Plan& plan, std::span<const ContentPtr> wanted) {
  if (const Node& first = *plan.nodes[0]; first.kind == Node::Kind::Update && first.inputs[1]->home != nullptr) {
    const std::shared_ptr<Compiled> program = first.inputs[1]->home;
    if (const Compiled::Step* step = foreseen_step(program, plan); step != nullptr) {
      try {
        return run_foreseen(program, *step, plan);
      } catch (const ModelError& e) {
        if (wants_report(e, plan) && program->graph != nullptr) throw_report(*program->graph, program->model());
        throw;
      }
    }
  }
  static Structure s;
  const Reading reading{s};
  s.read(plan, wanted);
  for (const Structure::Leaf& leaf : s.leaves()) expect_value(*leaf.content);
  const auto known = programs().find(s.key());
  const std::shared_ptr<Compiled> program = known != programs().end() ? known->second : programs().emplace(s.key(), compile(plan, s)).first->second;
  try {
    run_main(program, plan, s);
  } catch (const ModelError& e) {
    if (wants_report(e, plan)) throw_report(graph_of(plan, s, true), program->model());
    throw;
  }
}

}  // namespace gf::lazy
