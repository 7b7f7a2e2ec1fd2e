#include "trainer/tensor/structure.h"

#include <algorithm>

#include "runtime/core/exception.h"

namespace gf::lazy {
namespace {

uint64_t epoch = 0;
DType kept = DType::F32, products = DType::F32;

}  // namespace

DType kept_type() { return kept; }
DType products_type() { return products; }

void begin_epoch() { ++epoch; }

ContentNotes& notes_of(Content& c) {
  if (c.notes.epoch != epoch) {
    c.notes = ContentNotes();
    c.notes.epoch = epoch;
  }
  return c.notes;
}
NodeNotes& notes_of(Node& n) {
  if (n.notes.epoch != epoch) {
    n.notes = NodeNotes();
    n.notes.epoch = epoch;
  }
  return n.notes;
}

void Structure::clear() {
  leaves_.clear();
  results_.clear();
  key_.clear();
  counts_[0] = counts_[1] = counts_[2] = kept_ = outputs_ = 0;
}

void Structure::read(const Plan& plan, std::span<const ContentPtr> wanted) {
  put(kept_type());
  put(products_type());
  for (const auto& n : plan.nodes)
    if (n->kind == Node::Kind::Update)
      for (size_t k = 0; k < n->inputs.size(); ++k)
        if (k == 0 || k >= kFirstSlot) leaf(n->inputs[k], Role::State, 0);
  for (size_t part = 0; part < plan.part_count(); ++part) {
    if (part > 0) key_ += 'p';
    for (size_t i = plan.part_begin(part); i < plan.part_end(part); ++i) add(*plan.nodes[i], part);
  }
  find_results(plan, wanted);
}

size_t Structure::state_place(Content& c) const {
  const ContentNotes& notes = notes_of(c);
  if (notes.leaf >= 0) return leaves_[static_cast<size_t>(notes.leaf)].index;
  if (notes.kept >= 0) return counts_[static_cast<size_t>(Role::State)] + static_cast<size_t>(notes.kept);
  throw Exception(Error::Internal, "a value of a step has no State");
}

size_t Structure::leaf(const ContentPtr& c, Role role, size_t part) {
  ContentNotes& notes = notes_of(*c);
  if (notes.leaf >= 0) return static_cast<size_t>(notes.leaf);
  notes.leaf = static_cast<int64_t>(leaves_.size());
  leaves_.push_back({c, role, counts_[static_cast<size_t>(role)]++, part});
  key_ += 'L';
  put(role);
  put(c->dtype);
  put(c->shape.size());
  for (const int64_t d : c->shape) put(d);
  if (role == Role::Fixed) key_.append(reinterpret_cast<const char*>(c->data->data.data()), c->data->data.size());
  return leaves_.size() - 1;
}

void Structure::refer(const ContentPtr& c, size_t part) {
  if (c == nullptr) {
    key_ += '-';
    return;
  }
  ++notes_of(*c).uses;
  if (c->node != nullptr && notes_of(*c->node).in_plan) {
    key_ += 'N';
    put(notes_of(*c->node).place);
    put(c->output);
    return;
  }
  const size_t k = leaf(c, c->fixed ? Role::Fixed : Role::Input, part);
  key_ += 'l';
  put(k);
}

void Structure::add(const Node& n, size_t part) {
  key_ += 'n';
  put(n.kind);
  put(n.def);
  put(n.cut);
  put(n.segment);
  put(n.rule.get());
  put(n.check);
  put(n.outputs.size());
  put(n.attrs.size());
  for (const ir::Attr& a : n.attrs) {
    put(a.number);
    put(a.i);
    put(a.f);
    put(a.s.size());
    key_ += a.s;
    put(a.ints.size());
    for (const int64_t v : a.ints) put(v);
    put(a.floats.size());
    for (const float v : a.floats) put(v);
  }
  // what a function has for its backward alone is held by it, but not read here
  const size_t read = n.kind == Node::Kind::Function ? n.call->outputs : n.inputs.size();
  put(read);
  for (size_t k = 0; k < read; ++k) refer(n.inputs[k], part);
  for (size_t k = read; k < n.inputs.size(); ++k)
    if (n.inputs[k] != nullptr) ++notes_of(*n.inputs[k]).uses;
}

// Gradients of foreseen steps; contents that somebody outside the plan holds, or that are asked for.
void Structure::find_results(const Plan& plan, std::span<const ContentPtr> wanted) {
  for (size_t i = plan.main_count(); i < plan.nodes.size(); ++i) {
    const ContentPtr& gradient = plan.nodes[i]->inputs[1];
    ContentNotes& notes = notes_of(*gradient);
    if (notes.kept >= 0) continue;
    notes.kept = static_cast<int64_t>(kept_++);
    results_.push_back({notes_of(*gradient->node).place, gradient->output, gradient, state_place(*gradient)});
  }
  for (size_t i = 0; i < plan.main_count(); ++i) {
    const Node& n = *plan.nodes[i];
    const bool update = n.kind == Node::Kind::Update;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      ContentPtr c = n.outputs[k].lock();
      if (c != nullptr && c->known()) c = nullptr;
      if (update) {
        const size_t place = state_place(*n.inputs[k == 0 ? 0 : kFirstSlot + k - 1]);
        results_.push_back({i, k, std::move(c), place});
        continue;
      }
      if (c == nullptr || notes_of(*c).kept >= 0) continue;
      const bool asked = std::find(wanted.begin(), wanted.end(), c) != wanted.end();
      if (!asked && c.use_count() == 1 + notes_of(*c).uses) continue;
      results_.push_back({i, k, std::move(c), states() + outputs_++});
    }
  }
  for (const Result& r : results_) {
    key_ += 'r';
    put(r.node);
    put(r.output);
    put(r.place);
  }
}

}  // namespace gf::lazy

void gf::keep_activations_in(DType type) {
  if (type != DType::F32 && type != DType::BF16)
    throw Exception(Error::InvalidArgument, std::string("keep_activations_in: float32 or bfloat16, not ") + dtype_name(type));
  lazy::kept = type;
}

void gf::compute_products_in(DType type) {
  if (type != DType::F32 && type != DType::BF16)
    throw Exception(Error::InvalidArgument, std::string("compute_products_in: float32 or bfloat16, not ") + dtype_name(type));
  lazy::products = type;
}
