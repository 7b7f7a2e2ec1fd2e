// What tensors record, and the engine that runs it. A Content is one value, never changed: known, or the result of a recorded Node.
// A Variable is what handles share: its content changes when an optimizer steps. Nodes hold contents, so what was recorded before a
// step keeps the values of before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/ir/graph.h"
#include "io/array.h"
#include "trainer/tensor/tensor.h"
#include "trainer/optim/optimizer.h"

namespace gf::lazy {

struct Node;
struct Variable;
class Compiled;

struct Content {
  DType dtype = DType::Invalid;
  std::vector<int64_t> shape;
  std::shared_ptr<Node> node;                 ///< what computes it; kept beside the value while somebody may want gradients
  size_t output = 0;                          ///< of node
  std::shared_ptr<const io::Array> data;      ///< the value, once known on the host
  std::shared_ptr<Compiled> home;             ///< the value lies in State `slot` of this program (updated weights)
  size_t slot = 0;
  std::weak_ptr<Variable> leaf;               ///< the variable to which gradients go
  bool fixed = false;                         ///< part of the structure: a small constant (axes, shapes, numbers of a formula)
  bool history = false;                       ///< leads back to a leaf that requires gradients

  bool known() const { return data != nullptr || home != nullptr; }
};
using ContentPtr = std::shared_ptr<Content>;

struct Variable {
  ContentPtr content;
  bool requires_grad = false;
  std::shared_ptr<Variable> grad;
  bool grad_is_used = false;                  ///< a step() has consumed it: the next backward() starts afresh
  std::vector<std::pair<int, std::function<Tensor(const Tensor&)>>> hooks;  ///< what backward() puts each gradient through
};
using VariablePtr = std::shared_ptr<Variable>;

struct Node {
  enum class Kind : uint8_t { Op, Gradient, Update };
  Kind kind = Kind::Op;
  uint64_t number = 0;                        ///< order of recording
  const OpDef* def = nullptr;                 ///< Op
  std::vector<ir::Attr> attrs;                ///< Op
  bool cut = false;                           ///< Op: recorded under NoGrad: gradients do not pass
  std::shared_ptr<const optim::Optimizer> rule;  ///< Update
  /// Op: its inputs, null where left out. Gradient: the loss, then the leaves. Update: parameter, gradient, learning rate, step,
  /// slots.
  std::vector<ContentPtr> inputs;
  /// Op: its outputs. Gradient: one per leaf. Update: the parameter, then the slots. Whoever is gone is not computed for himself.
  std::vector<std::weak_ptr<Content>> outputs;
};

/// The user's function while one lives: errors of the ops that it records begin with its name. Of several the outermost counts.
class Call {
 public:
  explicit Call(const char* name);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  /// The name to begin an error with: the call's, or `op` when there is none.
  static const char* name_or(const char* op);

 private:
  const char* before_;
};

/// Records one op; infers shapes at once. Throws what inference throws; Unsupported where only running tells a shape.
std::vector<ContentPtr> record(const OpDef& def, const void* attrs, const std::vector<ContentPtr>& inputs, size_t outputs = 1);
/// Gradients of `loss` by every leaf that it leads back to, through their hooks, added to their variables.
void record_backward(const ContentPtr& loss);
/// Gradients of `loss` by these contents. `create_graph`: gradients lead back through the results. Throws InvalidArgument: the loss does not
/// depend on one of them, or only through what leads no gradients back.
std::vector<ContentPtr> record_gradients(const ContentPtr& loss, const std::vector<ContentPtr>& wrt, bool create_graph);
/// One update of a parameter by its gradient; slots and the variable get their new contents. The node's inputs are the old ones.
std::shared_ptr<Node> record_update(Variable& parameter, std::shared_ptr<const optim::Optimizer> rule, ContentPtr learning_rate, ContentPtr step,
                                    std::vector<ContentPtr>& slots);
/// Inputs of an update node in front of the slots: parameter, gradient, learning rate, step.
inline constexpr size_t kFirstSlot = 4;

/// A content that state took by follow(): computed together with what it shares values with, so that its recording does not grow from
/// step to step.
void note_following(const ContentPtr& content);

ContentPtr known_content(io::Array array, bool fixed = false);

/// Computes what is needed for the given contents, and every gradient and update that hangs on the same values. Throws what
/// compiling and running throw; nothing changes then.
void materialise(const std::vector<ContentPtr>& wanted);
/// The value on the host.
const io::Array& host(const ContentPtr& content);

/// For tests: programs compiled so far.
int64_t compiled_programs();

}  // namespace gf::lazy
