// What create decided about memory and order, for tools that draw it, and the tensors of nodes, for hooks that look at them between
// nodes. An object file of its own: a program that does not ask does not link it. Thread rule: as Session.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/exec/session.h"
#include "runtime/plan/arena_plan.h"
#include "schema/format/format.h"

namespace gf {

struct TensorRecord;

/// Steps of a node in execution order: equal for a plain node, around its sub-graphs for If and Loop.
struct NodeSteps {
  int32_t begin = 0, end = 0;
};

/// A tensor of an entry. The address of its view names it as long as the session lives.
struct TensorReport {
  const TensorView* view = nullptr;    ///< as it is now; null: left out
  format::TensorKind kind = format::kComputed;
  uint32_t index = 0;                  ///< of the constant, State or input
};

class SessionReport {
 public:
  /// Buffers of the activation arena, any order: offset, bytes (tail and padding included), first and last step; `id` is the
  /// index of a tensor of the entry. Valid as long as the session.
  static std::span<const PlanItem> buffers(const Session& session);
  /// Tensor whose buffer `tensor` uses (itself, or what it views or overwrites); -1 when it does not lie in the arena.
  static int32_t buffer_of(const Session& session, int32_t tensor);
  static NodeSteps steps(const Session& session, int node);

  /// Tensors that a node reads and makes. Just behind the node (ProfileHook) its results lie in their views; what it read may be
  /// overwritten by them.
  static int input_count(const Session& session, int node);
  static int output_count(const Session& session, int node);
  static TensorReport input(const Session& session, int node, int k);
  static TensorReport output(const Session& session, int node, int k);
  /// Input or output k of the entry.
  static TensorReport entry_input(const Session& session, int k);
  static TensorReport entry_output(const Session& session, int k);
  static ProfileHook profile(const Session& session);
  static const Program* program(const Session& session);

 private:
  static TensorReport report(const TensorRecord* t);
};

}  // namespace gf
