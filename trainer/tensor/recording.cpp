#include "trainer/tensor/recording.h"

#include <algorithm>
#include <set>

#include "graph/ir/builder.h"
#include "schema/ops/add.h"
#include "trainer/tensor/compiled.h"
#include "trainer/tensor/structure.h"

namespace gf::lazy {
namespace {

int no_grad_depth = 0;
const char* current_call = nullptr;
const char* current_scope = "";
uint64_t recorded = 0;
int64_t live = 0;

/// Gradient and update nodes that have not run; the dead are dropped when the list is walked.
std::vector<std::weak_ptr<Node>>& waiting() {
  static std::vector<std::weak_ptr<Node>> nodes;
  return nodes;
}

/// Contents of note_following(); known and dead ones are dropped when the list is walked.
std::vector<std::weak_ptr<Content>>& following() {
  static std::vector<std::weak_ptr<Content>> contents;
  return contents;
}

std::vector<std::weak_ptr<Stepper>>& steppers() {
  static std::vector<std::weak_ptr<Stepper>> all;
  return all;
}

}  // namespace

Node::Node() { ++live; }
Node::~Node() { --live; }
int64_t live_nodes() { return live; }

void foresee(const std::shared_ptr<Stepper>& stepper) { steppers().push_back(stepper); }

Call::Call(const char* name) : before_(current_call) {
  if (current_call == nullptr) current_call = name;
}
Call::~Call() { current_call = before_; }
const char* Call::keep(const std::string& name) {
  static std::set<std::string> names;
  return names.insert(name).first->c_str();
}
Scope::Scope(const char* path) : before_(current_scope) {
  if (path[0] != '\0') current_scope = path;
}
Scope::~Scope() { current_scope = before_; }
const char* Call::name_or(const char* op) { return current_call != nullptr ? current_call : op; }

std::shared_ptr<Node> new_node(Node::Kind kind, std::vector<ContentPtr> inputs) {
  auto n = std::make_shared<Node>();
  n->kind = kind;
  n->number = ++recorded;
  n->inputs = std::move(inputs);
  return n;
}

ContentPtr result_of(const std::shared_ptr<Node>& n, DType dtype, std::vector<int64_t> shape) {
  auto c = std::make_shared<Content>();
  c->dtype = dtype;
  c->shape = std::move(shape);
  c->node = n;
  c->output = n->outputs.size();
  n->outputs.push_back(c);
  return c;
}

Tensor tensor_of(ContentPtr content) {
  auto v = std::make_shared<Variable>();
  v->content = std::move(content);
  return Tensor(std::move(v));
}

void wait_for_engine(const std::shared_ptr<Node>& n) { waiting().push_back(n); }
bool gradients_are_off() { return no_grad_depth > 0; }

bool differentiable(const OpDef& def) {
  const std::string_view gradient = def.gradient;
  return gradient == "rule" || gradient == "pending";
}

bool leads_back(const ContentPtr& c) {
  if (c == nullptr) return false;
  const VariablePtr v = c->leaf.lock();
  return c->history || (v != nullptr && v->requires_grad);
}

NoGrad::NoGrad() { ++no_grad_depth; }
NoGrad::~NoGrad() { --no_grad_depth; }

void note_following(const ContentPtr& content) {
  if (!content->known()) following().push_back(content);
}

ContentPtr known_content(io::Array array, bool fixed) {
  auto c = std::make_shared<Content>();
  c->dtype = array.dtype;
  c->shape = array.shape;
  c->data = std::make_shared<const io::Array>(std::move(array));
  c->fixed = fixed;
  return c;
}

std::vector<ContentPtr> record(const OpDef& def, const void* attrs, const std::vector<ContentPtr>& inputs, size_t outputs) {
  ir::Entry scratch;
  ir::Builder b(scratch, scratch.body);
  b.set_origin(def.info.name, Call::name_or(def.info.name));
  std::vector<ir::ValueId> ids;
  for (const ContentPtr& c : inputs) ids.push_back(c == nullptr ? ir::kNoValue : add_leaf(scratch, *c));
  const ir::Node& inferred = b.add_node(def, std::move(ids), attrs, outputs);
  const auto n = new_node(Node::Kind::Op, inputs);
  n->def = &def;
  n->place = Call::name_or(def.info.name);
  n->scope = current_scope;
  n->attrs = inferred.attrs;
  const bool leads = std::any_of(inputs.begin(), inputs.end(), leads_back), history = leads && no_grad_depth == 0;
  n->cut = leads && !history;
  std::vector<ContentPtr> results;
  for (const ir::ValueId v : inferred.outputs) {
    const ir::Value& value = scratch.value(v);
    std::vector<int64_t> shape;
    for (int d = 0; d < value.shape.rank; ++d) shape.push_back(value.shape[d].lo);
    if (!value.shape_known || !value.shape.is_const())
      throw Exception(Error::Unsupported, std::string(Call::name_or(def.info.name)) + ": only running it tells the shape of its result");
    results.push_back(result_of(n, value.dtype, std::move(shape)));
    results.back()->history = history && dtype_is_float(value.dtype) && differentiable(def);
  }
  return results;
}

std::shared_ptr<Node> record_update(const UpdateOf& update, ContentPtr learning_rate, ContentPtr step, NotFinite check) {
  ContentPtr& parameter = update.parameter->content;
  std::vector<ContentPtr> inputs = {parameter, update.parameter->grad->content, std::move(learning_rate), std::move(step)};
  for (const VariablePtr& slot : update.slots) inputs.push_back(slot->content);
  const auto n = new_node(Node::Kind::Update, std::move(inputs));
  n->rule = update.rule;
  n->check = check;
  const std::weak_ptr<Variable> leaf = parameter->leaf;
  parameter = result_of(n, parameter->dtype, parameter->shape);
  parameter->leaf = leaf;
  for (const VariablePtr& slot : update.slots) slot->content = result_of(n, slot->content->dtype, slot->content->shape);
  waiting().push_back(n);
  return n;
}

namespace {

// The step as it would be recorded now, in nodes that are used again each time.
void write_foreseen(Stepper& s) {
  const auto number = [] { return known_content(io::Array::from<double>({0}, {})); };
  if (s.number == nullptr) s.number = number();
  size_t used = 0;
  for (const UpdateOf& u : s.updates) {
    if (u.parameter->grad == nullptr || u.parameter->grad->content == nullptr) continue;
    while (s.rates.size() <= u.group) s.rates.push_back(number());
    if (s.nodes.size() <= used) s.nodes.push_back(std::make_shared<Node>());
    Node& n = *s.nodes[used++];
    n.kind = Node::Kind::Update;
    n.number = ++recorded;
    n.rule = u.rule;
    n.check = s.check;
    n.inputs.assign({u.parameter->content, u.parameter->grad->content, s.rates[u.group], s.number});
    for (const VariablePtr& slot : u.slots) n.inputs.push_back(slot->content);
    n.outputs.resize(1 + u.slots.size());
  }
  s.nodes.resize(used);
}

// What has to run so that the wanted contents are known.
class Gathering {
 public:
  explicit Gathering(Plan& plan) : plan_(plan) {}

  void need(const ContentPtr& c, bool as_history) {
    if (c == nullptr || c->fixed) return;
    if (c->node != nullptr && (as_history || !c->known())) add(c->node, as_history);
  }
  // Gradients of values that are computed anyway, while the forward part's results are at hand; then updates by them.
  void add_waiting() {
    auto& list = waiting();
    std::erase_if(list, [](const auto& w) { return w.expired(); });
    for (const auto& w : list) {
      const auto n = w.lock();
      const bool touches = std::any_of(n->inputs.begin(), n->inputs.end(), [&](const ContentPtr& in) {
        return in != nullptr && in->node != nullptr && notes_of(*in->node).in_plan;
      });
      if (touches) add(n, false);
    }
  }
  // Steps that will follow because their gradients are computed now.
  void add_foreseen() {
    const auto updates = [](const auto& n) { return n->kind == Node::Kind::Update; };
    if (std::any_of(plan_.nodes.begin(), plan_.nodes.end(), updates)) return;
    std::erase_if(steppers(), [](const auto& w) { return w.expired(); });
    for (const auto& w : steppers()) {
      std::shared_ptr<Stepper> s = w.lock();
      if (!is_foreseen(*s)) continue;
      for (const UpdateOf& u : s->updates)
        if (u.parameter->grad != nullptr) need(u.parameter->grad->content, false);
      plan_.steppers.push_back(std::move(s));
    }
  }
  // State that follows what is computed or read anyway.
  void add_following() {
    for (const auto& n : plan_.nodes)
      for (const ContentPtr& in : n->inputs)
        if (in != nullptr && !in->fixed) notes_of(*in).read = true;
    pending_.clear();
    std::erase_if(following(), [&](const auto& w) {
      ContentPtr c = w.lock();
      if (c == nullptr || c->known()) return true;
      pending_.push_back(std::move(c));
      return false;
    });
    for (const ContentPtr& c : pending_) {
      ++walk;
      if (meets(c, true)) need(c, false);
    }
    pending_.clear();
  }
  void finish() {
    std::sort(plan_.nodes.begin(), plan_.nodes.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
    for (const auto& s : plan_.steppers) {
      plan_.parts.push_back(plan_.nodes.size());
      write_foreseen(*s);
      plan_.nodes.insert(plan_.nodes.end(), s->nodes.begin(), s->nodes.end());
    }
    for (size_t i = 0; i < plan_.nodes.size(); ++i) {
      notes_of(*plan_.nodes[i]).in_plan = true;
      notes_of(*plan_.nodes[i]).place = i;
    }
  }

 private:
  void add(const std::shared_ptr<Node>& n, bool as_history) {
    NodeNotes& notes = notes_of(*n);
    const bool again = as_history && !notes.history;
    if (notes.in_plan && !again) return;
    if (!notes.in_plan) plan_.nodes.push_back(n);
    notes.in_plan = true;
    notes.history = notes.history || as_history;
    if (n->kind == Node::Kind::Gradient) {
      need(n->inputs[0], true);  // the forward part must be there to be differentiated
      need(n->inputs[1], as_history && n->inputs[1] != nullptr && n->inputs[1]->history);
      return;
    }
    if (n->kind == Node::Kind::Function) {  // its gradient is recorded, not derived
      for (size_t k = 0; k < n->call->outputs; ++k) need(n->inputs[k], false);
      return;
    }
    for (const ContentPtr& in : n->inputs) need(in, as_history && in != nullptr && in->history);
  }
  // Whether every gradient of the step is still to be computed, and one hangs on what is computed now.
  bool is_foreseen(const Stepper& s) {
    bool hangs = false;
    for (const UpdateOf& u : s.updates) {
      const Variable& p = *u.parameter;
      if (p.grad == nullptr || p.grad->content == nullptr) continue;
      if (p.grad->content->known() || p.grad->content->node == nullptr || !p.content->known()) return false;
      if (std::any_of(u.slots.begin(), u.slots.end(), [](const VariablePtr& v) { return !v->content->known(); })) return false;
      if (hangs) continue;
      ++walk;
      hangs = meets(p.grad->content, false);
    }
    return hangs;
  }
  // Whether what c is computed from is computed by nodes that are here or, when asked, has a value in common with what is read.
  bool meets(const ContentPtr& c, bool reads) {
    if (c == nullptr || c->fixed) return false;
    ContentNotes& notes = notes_of(*c);
    if (notes.walk == walk) return false;
    notes.walk = walk;
    if ((reads && notes.read) || (c->node != nullptr && notes_of(*c->node).in_plan)) return true;
    if (c->known() || c->node == nullptr) return false;
    return std::any_of(c->node->inputs.begin(), c->node->inputs.end(), [&](const ContentPtr& in) { return meets(in, reads); });
  }

  static inline uint64_t walk = 0;
  static inline std::vector<ContentPtr> pending_;
  Plan& plan_;
};

// One at a time, with memory that is kept.
class Work {
 public:
  Work() {
    if (watch != nullptr) watch(true);
    begin_epoch();
  }
  ~Work() {
    for (const auto& s : plan.steppers)
      for (const auto& n : s->nodes) n->inputs.clear();
    plan.nodes.clear();
    plan.parts.clear();
    plan.steppers.clear();
    if (watch != nullptr) watch(false);
  }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  static inline Plan plan;
  static inline void (*watch)(bool begins) = nullptr;
};

}  // namespace

void expect_value(const Content& content) {
  if (!content.known())
    throw Exception(Error::InvalidArgument, "a tensor is needed whose value an optimizer's step() has replaced since it was recorded");
}

void watch_engine(void (*watch)(bool begins)) { Work::watch = watch; }

void materialise(std::span<const ContentPtr> wanted) {
  const Work work;
  Gathering g(Work::plan);
  for (const ContentPtr& c : wanted)
    if (!c->known()) g.need(c, false);
  g.add_waiting();
  g.add_foreseen();
  if (!Work::plan.steppers.empty()) g.add_waiting();
  g.add_following();
  g.finish();
  if (!Work::plan.nodes.empty()) run_plan(Work::plan, wanted);
}

namespace {

void make_known(const ContentPtr& content) {
  if (content->known()) return;
  if (content->node == nullptr) expect_value(*content);
  materialise({&content, 1});
}

}  // namespace

const io::Array& host(const ContentPtr& content) {
  make_known(content);
  if (content->data == nullptr) fetch_from_home(*content);
  return *content->data;
}

std::span<const std::byte> bytes_of(const ContentPtr& content) {
  make_known(content);
  if (content->data != nullptr) return content->data->data;
  return content->home->place(content->slot);
}

}  // namespace gf::lazy
