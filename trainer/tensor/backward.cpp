// Recording gradients. Where nobody is on the way, one node stands for all of them and is derived when it is compiled. Hooks and functions with
// a backward of their own stand at points on the way: gradients go from point to point, and what they do is recorded between.
#include <algorithm>
#include <map>
#include <set>

#include "schema/ops/add.h"
#include "trainer/tensor/recording.h"

namespace gf::lazy {
namespace {

bool is_leaf(const ContentPtr& c) {
  const VariablePtr v = c->leaf.lock();
  return v != nullptr && v->requires_grad;
}

// What gradients go to from a content: the inputs of what computed it.
std::span<const ContentPtr> behind(const Content& c) {
  if (!c.history || c.node == nullptr) return {};
  const std::span<const ContentPtr> inputs = c.node->inputs;
  if (c.node->kind != Node::Kind::Function) return inputs;
  return inputs.subspan(c.node->call->outputs, c.node->call->inputs);
}

// Why nothing leads back: the first op on the way without a gradient, as recorded.
std::string blocked_by(const ContentPtr& loss) {
  std::vector<ContentPtr> rest = {loss};
  std::set<const Content*> seen;
  while (!rest.empty()) {
    const ContentPtr c = rest.back();
    rest.pop_back();
    if (c == nullptr || c->node == nullptr || c->fixed || !seen.insert(c.get()).second) continue;
    const Node& n = *c->node;
    if (n.kind == Node::Kind::Op && !c->history && std::any_of(n.inputs.begin(), n.inputs.end(), leads_back)) {
      const std::string op = n.def->info.name, place = op == n.place ? op : op + " in " + n.place;
      if (n.cut) return "; " + place + " was recorded under no_grad";
      if (!differentiable(*n.def)) return " other than through " + place + ", which has no gradient: " + n.def->gradient;
      return " other than through " + place + ", whose result is " + dtype_name(c->dtype) + "; only floats have gradients";
    }
    rest.insert(rest.end(), n.inputs.begin(), n.inputs.end());
  }
  return "";
}

void check_loss(const ContentPtr& loss, const char* function) {
  if (!dtype_is_float(loss->dtype))
    throw Exception(Error::TypeMismatch, std::string(function) + ": the loss is " + dtype_name(loss->dtype) + "; only floats have gradients");
  if (io::element_count(loss->shape, function) != 1)
    throw Exception(Error::ShapeMismatch, std::string(function) + ": the loss has shape " + io::shape_text(loss->shape) + "; gradients need one number: sum it or take its mean");
}

std::string like(const Content& c) { return std::string(dtype_name(c.dtype)) + " of shape " + io::shape_text(c.shape); }

ContentPtr through_hooks(const Hooks& hooks, ContentPtr gradient) {
  const Hooks as_they_are = hooks;  // a hook may remove itself
  for (const auto& [id, hook] : as_they_are) {
    const Tensor next = hook(tensor_of(gradient));
    if (!next) continue;  // it only looked
    const ContentPtr& c = next.variable().content;
    if (c->shape != gradient->shape || c->dtype != gradient->dtype)
      throw Exception(Error::ShapeMismatch, "a gradient's hook gave " + like(*c) + " for " + like(*gradient));
    gradient = c;
  }
  return gradient;
}

void add_to(Variable& v, const ContentPtr& gradient) {
  if (v.grad == nullptr) v.grad = std::make_shared<Variable>();
  const bool afresh = v.grad->content == nullptr || v.grad_is_used;
  v.grad_is_used = false;
  v.grad->content = afresh ? gradient : record(op_def<op::Add>, nullptr, {v.grad->content, gradient})[0];
}

class Gradients {
 public:
  Gradients(const ContentPtr& loss, bool create_graph, bool retain) : loss_(loss), create_graph_(create_graph), retain_(retain) {
    std::vector<ContentPtr> rest = {loss};
    while (!rest.empty()) {
      const ContentPtr c = rest.back();
      rest.pop_back();
      if (c == nullptr || !seen_.insert(c.get()).second) continue;
      reached_.push_back(c);
      const auto inputs = behind(*c);
      rest.insert(rest.end(), inputs.begin(), inputs.end());
    }
  }

  const std::vector<ContentPtr>& reached() const { return reached_; }
  bool reaches(const ContentPtr& c) const { return seen_.contains(c.get()); }

  /// In front of the hooks of leaves; null: only through a function that gives none.
  std::vector<ContentPtr> by(const std::vector<ContentPtr>& wanted) {
    const bool watched = std::any_of(reached_.begin(), reached_.end(), [](const ContentPtr& c) {
      return c->watch != nullptr || (c->history && c->node != nullptr && c->node->kind == Node::Kind::Function);
    });
    if (!watched) return node(loss_, nullptr, wanted, false);
    set_points(wanted);
    run();
    std::vector<ContentPtr> gradients;
    for (const ContentPtr& c : wanted) gradients.push_back(points_.at(c.get()).gradient);
    return gradients;
  }

 private:
  struct Point {
    ContentPtr content, gradient;
  };

  std::vector<ContentPtr> node(const ContentPtr& of, const ContentPtr& seed, const std::vector<ContentPtr>& wrt, bool segment) {
    std::vector<ContentPtr> inputs = {of, seed};
    inputs.insert(inputs.end(), wrt.begin(), wrt.end());
    const auto n = new_node(Node::Kind::Gradient, std::move(inputs));
    n->segment = segment;
    std::vector<ContentPtr> gradients;
    for (const ContentPtr& c : wrt) {
      gradients.push_back(result_of(n, c->dtype, c->shape));
      gradients.back()->history = create_graph_;
    }
    wait_for_engine(n);
    return gradients;
  }

  void set_points(const std::vector<ContentPtr>& wanted) {
    const auto add = [&](const ContentPtr& c) { points_.try_emplace(c.get(), Point{c, nullptr}); };
    add(loss_);
    for (const ContentPtr& c : wanted) add(c);
    for (const ContentPtr& c : reached_) {
      if (c->watch != nullptr) add(c);
      if (!c->history || c->node == nullptr || c->node->kind != Node::Kind::Function) continue;
      add(c);
      for (const ContentPtr& in : behind(*c))
        if (leads_back(in)) add(in);
    }
  }

  void run() {
    std::vector<Point*> order;
    for (auto& [c, p] : points_) order.push_back(&p);
    const auto number = [](const Point* p) { return p->content->history && p->content->node != nullptr ? p->content->node->number : 0; };
    std::sort(order.begin(), order.end(), [&](const Point* a, const Point* b) {
      return std::pair(number(a), a->content->output) > std::pair(number(b), b->content->output);
    });
    Point& first = points_.at(loss_.get());
    first.gradient = Tensor::ones(loss_->shape, loss_->dtype).variable().content;
    first.gradient->fixed = true;
    for (size_t i = 0; i < order.size(); ++i) {
      Point& p = *order[i];
      if (p.gradient != nullptr && p.content->watch != nullptr) watch(p);
      if (number(&p) == 0) continue;
      if (p.content->node->kind != Node::Kind::Function) {
        if (p.gradient != nullptr) pass(p);
      } else if (i + 1 == order.size() || number(order[i + 1]) != number(&p)) {
        call(*p.content->node);  // all of its results have their gradients
      }
    }
  }

  void watch(Point& p) {
    p.gradient = through_hooks(p.content->watch->hooks, p.gradient);
    const VariablePtr v = p.content->watch->retained.lock();
    if (retain_ && v != nullptr) add_to(*v, p.gradient);
  }

  // Gradients of a point by the next points behind it.
  void pass(const Point& p) {
    std::vector<ContentPtr> next, rest(behind(*p.content).begin(), behind(*p.content).end());
    std::set<const Content*> seen;
    while (!rest.empty()) {
      const ContentPtr c = rest.back();
      rest.pop_back();
      if (c == nullptr || !seen.insert(c.get()).second) continue;
      if (points_.contains(c.get())) {
        next.push_back(c);
        continue;
      }
      rest.insert(rest.end(), behind(*c).begin(), behind(*c).end());
    }
    std::erase_if(next, [](const ContentPtr& c) { return !leads_back(c); });
    if (next.empty()) return;
    std::reverse(next.begin(), next.end());
    const std::vector<ContentPtr> gradients = node(p.content, p.gradient, next, true);
    for (size_t k = 0; k < next.size(); ++k) give(next[k], gradients[k]);
  }

  void give(const ContentPtr& c, const ContentPtr& gradient) {
    ContentPtr& sum = points_.at(c.get()).gradient;
    sum = sum == nullptr ? gradient : record(op_def<op::Add>, nullptr, {sum, gradient})[0];
  }

  // The user's backward.
  void call(const Node& n) {
    const FunctionCall& f = *n.call;
    std::vector<Tensor> gradients, saved;
    bool any = false;
    for (const auto& w : n.outputs) {
      const ContentPtr c = w.lock();
      const auto at = c == nullptr ? points_.end() : points_.find(c.get());
      const bool has = at != points_.end() && at->second.gradient != nullptr;
      any = any || has;
      const Content& raw = *n.inputs[gradients.size()];
      gradients.push_back(has ? tensor_of(at->second.gradient) : Tensor::zeros(raw.shape, raw.dtype));
    }
    if (!any) return;
    size_t next = f.outputs + f.inputs;
    for (const int k : f.saved_outputs) {
      ContentPtr c = k < 0 ? n.inputs[next++] : n.outputs[static_cast<size_t>(k)].lock();
      saved.push_back(tensor_of(c != nullptr ? std::move(c) : n.inputs[static_cast<size_t>(k)]));
    }
    const Call name(Call::keep(f.name));
    const std::vector<Tensor> results = f.backward(f, std::move(saved), gradients);
    if (results.size() != f.inputs)
      throw Exception(Error::InvalidArgument, f.name + ": backward gave " + std::to_string(results.size()) + " gradients for " + std::to_string(f.inputs) + " inputs");
    for (size_t k = 0; k < f.inputs; ++k) {
      const ContentPtr& in = n.inputs[f.outputs + k];
      if (!results[k] || in == nullptr || !points_.contains(in.get())) continue;
      const ContentPtr& g = results[k].variable().content;
      if (g->shape != in->shape || g->dtype != in->dtype)
        throw Exception(Error::ShapeMismatch, f.name + ": backward gave " + like(*g) + " for input " + std::to_string(k) + ", which is " + like(*in));
      give(in, g);
    }
  }

  ContentPtr loss_;
  bool create_graph_, retain_;
  std::vector<ContentPtr> reached_;
  std::set<const Content*> seen_;
  std::map<const Content*, Point> points_;
};

ContentPtr zeros_like(const Content& c) { return Tensor::zeros(c.shape, c.dtype).variable().content; }

}  // namespace

std::vector<ContentPtr> record_function(std::shared_ptr<FunctionCall> call, const std::vector<ContentPtr>& results,
                                        const std::vector<ContentPtr>& inputs, const std::vector<ContentPtr>& saved) {
  call->outputs = results.size();
  call->inputs = inputs.size();
  std::vector<ContentPtr> all = results;
  all.insert(all.end(), inputs.begin(), inputs.end());
  all.insert(all.end(), saved.begin(), saved.end());
  const auto n = new_node(Node::Kind::Function, std::move(all));
  n->call = std::move(call);
  std::vector<ContentPtr> outputs;
  for (const ContentPtr& r : results) {
    outputs.push_back(result_of(n, r->dtype, r->shape));
    outputs.back()->history = dtype_is_float(r->dtype);
  }
  return outputs;
}

std::vector<std::pair<ContentPtr, ContentPtr>> record_leaf_gradients(const ContentPtr& loss) {
  check_loss(loss, "backward()");
  const NoGrad off;
  Gradients g(loss, false, true);
  std::vector<ContentPtr> leaves = g.reached();
  std::erase_if(leaves, [](const ContentPtr& c) { return !is_leaf(c); });
  if (leaves.empty()) throw Exception(Error::InvalidArgument, "backward(): nothing that requires gradients leads to the loss" + blocked_by(loss));
  std::reverse(leaves.begin(), leaves.end());
  const std::vector<ContentPtr> gradients = g.by(leaves);
  std::vector<std::pair<ContentPtr, ContentPtr>> pairs;
  for (size_t k = 0; k < leaves.size(); ++k)
    if (gradients[k] != nullptr) pairs.emplace_back(leaves[k], through_hooks(leaves[k]->leaf.lock()->hooks, gradients[k]));
  return pairs;
}

void record_backward(const ContentPtr& loss) {
  const auto pairs = record_leaf_gradients(loss);
  const NoGrad off;
  for (const auto& [leaf, gradient] : pairs) add_to(*leaf->leaf.lock(), gradient);
}

std::vector<ContentPtr> record_gradients(const ContentPtr& loss, const std::vector<ContentPtr>& wrt, bool create_graph) {
  check_loss(loss, "grad()");
  Gradients g(loss, create_graph && !gradients_are_off(), false);
  for (size_t k = 0; k < wrt.size(); ++k) {
    if (!leads_back(wrt[k]))
      throw Exception(Error::InvalidArgument, "grad(): tensor " + std::to_string(k) + " requires no gradients");
    if (!g.reaches(wrt[k]))
      throw Exception(Error::InvalidArgument, "grad(): the loss does not depend on tensor " + std::to_string(k) + blocked_by(loss));
  }
  const auto record_all = [&] {
    std::vector<ContentPtr> gradients = g.by(wrt);
    for (size_t k = 0; k < wrt.size(); ++k) {
      if (gradients[k] == nullptr) gradients[k] = zeros_like(*wrt[k]);
      if (is_leaf(wrt[k])) gradients[k] = through_hooks(wrt[k]->leaf.lock()->hooks, std::move(gradients[k]));
    }
    return gradients;
  };
  if (create_graph) return record_all();
  const NoGrad off;
  return record_all();
}

}  // namespace gf::lazy
