// What tensors record, and the engine that runs it. A Content is one value, never changed: known, or the result of a recorded Node.
// A Variable is what handles share: its content changes when an optimizer steps. Nodes hold contents, so what was recorded before a
// step keeps the values of before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "io/array.h"
#include "trainer/tensor/tensor.h"
#include "trainer/optim/optimizer.h"

namespace gf {
enum class NotFinite : uint8_t;
}

namespace gf::lazy {

struct Node;
struct Variable;
class Compiled;

/// What the engine notes down on contents and nodes, so that it needs no memory for it: of no meaning once `epoch` has passed.
struct ContentNotes {
  uint64_t epoch = 0;
  int64_t leaf = -1, kept = -1;               ///< numbers in the Structure
  long uses = 0;                              ///< references by nodes of the plan
  bool read = false;
  uint64_t walk = 0;
};
struct NodeNotes {
  uint64_t epoch = 0;
  bool in_plan = false, history = false;
  size_t place = 0;                           ///< in the plan
};

using Hooks = std::vector<std::pair<int, std::function<Tensor(const Tensor&)>>>;
/// Who wants to see the gradient of a computed content.
struct Watch {
  Hooks hooks;
  std::weak_ptr<Variable> retained;           ///< keeps the gradient, as a leaf does
};

struct Content {
  DType dtype = DType::Invalid;
  std::vector<int64_t> shape;
  std::shared_ptr<Node> node;                 ///< what computes it; kept beside the value while somebody may want gradients
  size_t output = 0;                          ///< of node
  std::shared_ptr<const io::Array> data;      ///< the value, once known on the host
  std::shared_ptr<Compiled> home;             ///< the value lies in place `slot` of this program: State (weights), or an output of its last run
  size_t slot = 0;
  std::weak_ptr<Variable> leaf;               ///< the variable to which gradients go
  bool fixed = false;                         ///< part of the structure: a small constant (axes, shapes, numbers of a formula)
  bool history = false;                       ///< leads back to a leaf that requires gradients
  std::shared_ptr<Watch> watch;
  ContentNotes notes;

  bool known() const { return data != nullptr || home != nullptr; }
};
using ContentPtr = std::shared_ptr<Content>;

struct Variable {
  ContentPtr content;
  bool requires_grad = false;
  std::shared_ptr<Variable> grad;
  bool grad_is_used = false;                  ///< a step() has consumed it: the next backward() starts afresh
  Hooks hooks;                                ///< what backward() puts each gradient through
  const char* name = "";                      ///< of a module's parameter, by the path of registrations; kept for good
};
using VariablePtr = std::shared_ptr<Variable>;

/// A call of the user's function with a backward of his own.
struct FunctionCall {
  std::string name;
  size_t outputs = 0, inputs = 0;
  std::vector<int> saved_outputs;             ///< of what was saved: the number of the output that it is, or -1: the next saved content
  std::function<std::vector<Tensor>(const FunctionCall&, std::vector<Tensor> saved, const std::vector<Tensor>& gradients)> backward;
  std::vector<bool> needs;                    ///< by input: whether gradients lead there
};

struct Node {
  enum class Kind : uint8_t { Op, Gradient, Update, Function };
  Kind kind = Kind::Op;
  uint64_t number = 0;                        ///< order of recording
  const OpDef* def = nullptr;                 ///< Op
  std::vector<ir::Attr> attrs;                ///< Op
  const char* place = "";                     ///< Op: the user's function that recorded it
  const char* scope = "";                     ///< Op: the module in whose call it was recorded: "features.0"
  bool cut = false;                           ///< Op: recorded under NoGrad: gradients do not pass
  std::shared_ptr<const optim::Optimizer> rule;  ///< Update
  NotFinite check = {};                       ///< Update: what a loss or gradient does that is not finite
  bool segment = false;                       ///< Gradient: does not pass the values by which it is taken
  std::shared_ptr<const FunctionCall> call;   ///< Function
  /// Op: its inputs, null where left out. Gradient: what is differentiated, its own gradient (null: one), then by what. Update: parameter,
  /// gradient, learning rate, step, slots. Function: what its forward gave, its inputs, what it saved.
  std::vector<ContentPtr> inputs;
  /// Op: its outputs. Gradient: one per value it is taken by. Update: the parameter, then the slots. Function: as its forward gave, with
  /// gradients. Whoever is gone is not computed for himself.
  std::vector<std::weak_ptr<Content>> outputs;
  NodeNotes notes;

  Node();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
};

/// One parameter of an optimizer at work.
struct UpdateOf {
  VariablePtr parameter;
  std::shared_ptr<const optim::Optimizer> rule;
  std::vector<VariablePtr> slots;
  size_t group = 0;                           ///< of one learning rate
};
/// The updates of one step(), in its order. The engine foresees it: who looks at a loss between backward() and step() gets a program whose
/// second entry is the step that will come, and gradients wait for that in State.
struct Stepper {
  std::vector<UpdateOf> updates;
  NotFinite check = {};
  // the engine's: the step as it would be recorded now
  std::vector<std::shared_ptr<Node>> nodes;
  std::vector<ContentPtr> rates;
  ContentPtr number;
};
/// Foreseen while it lives.
void foresee(const std::shared_ptr<Stepper>& stepper);

/// The user's function while one lives: errors of the ops that it records begin with its name. Of several the outermost counts.
class Call {
 public:
  explicit Call(const char* name);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  /// The same text, for good: recordings outlive calls.
  static const char* keep(const std::string& name);
  /// The name to begin an error with: the call's, or `op` when there is none.
  static const char* name_or(const char* op);

 private:
  const char* before_;
};

/// The module whose call goes on while one lives; of several the innermost counts. `path` is kept as it is (Call::keep()); "" changes nothing.
class Scope {
 public:
  explicit Scope(const char* path);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  const char* before_;
};

/// Records one op; infers shapes at once. Throws what inference throws; Unsupported where only running tells a shape.
std::vector<ContentPtr> record(const OpDef& def, const void* attrs, const std::vector<ContentPtr>& inputs, size_t outputs = 1);
/// The results of a user's forward, with his backward: null where no input leads gradients back. `inputs` and `saved` go with the call.
std::vector<ContentPtr> record_function(std::shared_ptr<FunctionCall> call, const std::vector<ContentPtr>& results,
                                        const std::vector<ContentPtr>& inputs, const std::vector<ContentPtr>& saved);
/// Whether an op has a gradient; else OpDef::gradient says why not.
bool differentiable(const OpDef& def);
/// Whether gradients lead through c.
bool leads_back(const ContentPtr& c);
/// Gradients of `loss` by every leaf that it leads back to, through their hooks. Throws InvalidArgument: none.
std::vector<std::pair<ContentPtr, ContentPtr>> record_leaf_gradients(const ContentPtr& loss);
/// The same, added to the leaves' variables.
void record_backward(const ContentPtr& loss);
/// Gradients of `loss` by these contents, through the hooks on the way. `create_graph`: gradients lead back through the results. Throws InvalidArgument: the loss does not
/// depend on one of them, or only through what leads no gradients back.
std::vector<ContentPtr> record_gradients(const ContentPtr& loss, const std::vector<ContentPtr>& wrt, bool create_graph);
/// One update of a parameter by its gradient; slots and the variable get their new contents. The node's inputs are the old ones.
std::shared_ptr<Node> record_update(const UpdateOf& update, ContentPtr learning_rate, ContentPtr step, NotFinite check);
/// Inputs of a gradient node in front of the values by which it is taken.
inline constexpr size_t kFirstBy = 2;
/// Inputs of an update node in front of the slots: parameter, gradient, learning rate, step.
inline constexpr size_t kFirstSlot = 4;

/// A content that state took by follow(): computed together with what it shares values with, so that its recording does not grow from
/// step to step.
void note_following(const ContentPtr& content);

ContentPtr known_content(io::Array array, bool fixed = false);
/// A handle of its own for a content.
Tensor tensor_of(ContentPtr content);
/// A node with these inputs, and a result of it.
std::shared_ptr<Node> new_node(Node::Kind kind, std::vector<ContentPtr> inputs);
ContentPtr result_of(const std::shared_ptr<Node>& n, DType dtype, std::vector<int64_t> shape);
/// The engine runs it as soon as what it hangs on is computed.
void wait_for_engine(const std::shared_ptr<Node>& n);
bool gradients_are_off();

/// Computes what is needed for the given contents, and every gradient and update that hangs on the same values. Throws what
/// compiling and running throw; nothing changes then.
void materialise(std::span<const ContentPtr> wanted);
/// The value on the host.
const io::Array& host(const ContentPtr& content);
/// The bytes of the value, wherever it lies; until something runs.
std::span<const std::byte> bytes_of(const ContentPtr& content);

/// For tests: programs compiled so far; nodes that are recorded and live; what is called when the engine begins and ends its work
/// (gathering, looking up, compiling, running).
int64_t compiled_programs();
int64_t live_nodes();
void watch_engine(void (*watch)(bool begins));

}  // namespace gf::lazy
